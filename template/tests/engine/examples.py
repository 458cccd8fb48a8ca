"""Hypothesis as every test uses it: the same examples on every machine, and no file left behind."""

from hypothesis import given, settings
from hypothesis import strategies as st

__all__ = ["given", "settings", "st"]

settings.register_profile("fast", max_examples=30, deadline=None, derandomize=True, database=None)
settings.load_profile("fast")
