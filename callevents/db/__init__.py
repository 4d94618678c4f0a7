"""The database: models, types, sessions and schema."""

from callevents.db import postgresql, sqlite

# They listen to the engines' events, so they must be there before the first connection.
__all__ = ["postgresql", "sqlite"]
