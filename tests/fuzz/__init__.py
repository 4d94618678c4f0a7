"""Feeds a million malformed messages to everything that reads PBXs' messages: `make fuzz`."""
