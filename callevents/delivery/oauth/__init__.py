"""OAuth 2.0 of receivers: fetches and renews access tokens, and replaces refused ones."""
