"""Encryption at rest, masking, safe regular expressions, response headers."""
