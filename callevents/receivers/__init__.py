"""Receivers and the recipes by which they are made."""
