"""Votes to seats, by highest averages."""


def share(votes, seats):
    """Seats of every party. Equal averages: the party with more votes, then the first by name."""
    given = {party: 0 for party in votes}
    for _ in range(seats):
        best = max(sorted(votes), key=lambda party: (votes[party] // (given[party] + 1), votes[party]))
        given[best] += 1
    return given
