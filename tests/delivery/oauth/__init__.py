"""OAuth 2.0 of receivers."""
