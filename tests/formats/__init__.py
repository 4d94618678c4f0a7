"""Tests of the makers' formats: examples of their documents, and hostile messages."""
