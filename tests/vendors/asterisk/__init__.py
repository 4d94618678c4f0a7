"""Calls on an Asterisk, and the call events that follow from its messages."""
