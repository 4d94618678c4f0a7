"""OAuth 2.0 of receivers: fetches access tokens, renews them, and replaces those that are refused."""
