"""Changes of many hooks at once."""
