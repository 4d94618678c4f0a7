"""Fuzz test: a million malformed messages for each reader of PBX messages. Run `make fuzz`."""
