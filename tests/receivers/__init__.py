"""Tests of receivers and recipes."""
