"""Who owes what."""

from ledger.money import share, show


class Book:
    def __init__(self, names):
        self.owed = {name: 0 for name in names}

    def split(self, cents):
        """Splits a bill among all."""
        for name, part in zip(sorted(self.owed), share(cents, len(self.owed))):
            self.owed[name] += part

    def total(self):
        return sum(self.owed.values())

    def lines(self):
        return ["{}: {}".format(name, show(cents)) for name, cents in sorted(self.owed.items())]
