"""Calls on a FreeSWITCH, and the call events that follow from its messages."""
