"""Tests of what programs use."""
