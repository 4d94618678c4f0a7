"""Tests of the vendors' formats: examples of their documentation, and hostile messages."""
