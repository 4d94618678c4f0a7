"""Breaks the running product on purpose, and counts what becomes of the events it accepted."""
