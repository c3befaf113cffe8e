"""Ballots to votes."""


def count(ballots):
    """How often each name stands on a ballot; empty ballots do not count."""
    votes = {}
    for ballot in ballots:
        name = ballot.strip()
        if name:
            votes[name] = votes.get(name, 0) + 1
    return votes
