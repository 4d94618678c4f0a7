"""Recipes against real receivers: `make test-receivers`."""
