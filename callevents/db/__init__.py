"""The database: models, types, sessions and schema."""

from callevents.db import sqlite

# It registers engine event listeners, so it must be imported before the first connection.
__all__ = ["sqlite"]
