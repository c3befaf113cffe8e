"""Postage for parcels."""

from parcel.quote import price
from parcel.weight import grams

__all__ = ["grams", "price"]
