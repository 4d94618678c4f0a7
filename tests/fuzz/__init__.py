"""A million spoilt messages into everything that reads what a PBX says: `make fuzz`."""
