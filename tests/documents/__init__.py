"""The documents: their code and examples work."""
