"""What a parcel costs."""

from parcel.weight import grams


def price(weight, tariff):
    """Cents for a weight: the first step of the tariff, (limit in grams, cents), that holds it."""
    heavy = grams(weight)
    for limit, cents in sorted(tariff.items()):
        if heavy <= limit:
            return cents
    raise ValueError("too heavy: {}".format(weight))
