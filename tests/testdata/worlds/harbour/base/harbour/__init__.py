"""A harbour's day."""
