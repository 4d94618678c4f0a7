"""Attacks the running product over raw sockets while a small load reports events."""
