"""Hooks: the configured requests that call events trigger."""
