"""Benchmarks of Call Events and of alternatives, side by side on one machine."""
