"""The second factor: codes of an app, recovery codes, passkeys."""
