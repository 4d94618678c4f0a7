"""Tests of the recipes: their requests against the shapes that receivers document."""
