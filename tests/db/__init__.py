"""The database: models, migrations, sessions, schema version."""
