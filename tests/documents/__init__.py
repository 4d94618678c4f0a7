"""The documents: what they show works."""
