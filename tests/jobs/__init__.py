"""Tests of waking workers."""
