"""Tests of running Call Events, with real processes."""
