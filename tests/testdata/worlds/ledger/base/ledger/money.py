"""Amounts in cents."""


def show(cents):
    """Text of an amount: `12.05`."""
    sign = "-" if cents < 0 else ""
    return "{}{}.{:02d}".format(sign, abs(cents) // 100, abs(cents) % 100)


def share(cents, people):
    """Parts of an amount, one for each of so many people. No cent is lost; earlier people get the odd ones."""
    if people < 1:
        raise ValueError("nobody to share with")
    return [cents // people] * people
