"""Tests of conditions: hours, numbers, sentences and words."""
