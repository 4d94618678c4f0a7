"""Hooks: create, change, clear, and their options."""
