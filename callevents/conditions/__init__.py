"""Conditions of hooks: which calls lead to a request, and why others are skipped."""

from callevents.conditions.conditions import Conditions, Hours
from callevents.conditions.facts import CallFacts
from callevents.conditions.unmet import find_unmet
from callevents.conditions.words import describe

__all__ = ["CallFacts", "Conditions", "Hours", "describe", "find_unmet"]
