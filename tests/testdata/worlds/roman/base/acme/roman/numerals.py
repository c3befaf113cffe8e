"""Numbers to numerals and back."""

from .table import LETTERS, WORTH


def to_roman(number):
    """The numeral of a number from 1 to 3999."""
    if not 1 <= number <= 3999:
        raise ValueError("no numeral for {}".format(number))
    text = ""
    for letter, worth in LETTERS:
        count, number = divmod(number, worth)
        text += letter * count
    return text


def from_roman(text):
    """The number of a numeral."""
    total = 0
    for letter, following in zip(text, text[1:] + " "):
        worth = WORTH[letter]
        total += -worth if worth < WORTH.get(following, 0) else worth
    return total
