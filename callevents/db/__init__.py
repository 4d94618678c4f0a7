"""The database: models, types, sessions and schema."""

from callevents.db import postgresql, sqlite

# They register engine event listeners, so they must be imported before the first connection.
__all__ = ["postgresql", "sqlite"]
