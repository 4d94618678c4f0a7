"""Hooks: the requests that call events trigger."""
