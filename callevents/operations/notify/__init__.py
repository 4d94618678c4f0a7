"""Notifications by e-mail and webhook."""
