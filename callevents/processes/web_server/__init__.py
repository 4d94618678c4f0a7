"""The web server process."""
