"""Commands that an admin would type, run in this process on the product's database."""

import json
from pathlib import Path
from typing import Any

from callevents import create_app
from callevents.config.settings import load_settings
from callevents.extensions import db


class Commands:
    """Runs the product's commands. Close it at the end."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.settings = load_settings(**settings, data_dir=data_dir)
        self.app = create_app(self.settings)
        self._runner = self.app.test_cli_runner()

    def run(self, *arguments: str) -> Any:
        """Run a command with --json; return what it prints."""
        done = self._runner.invoke(args=[*arguments, "--json"])
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def close(self) -> None:
        """Close the database connections of the commands."""
        with self.app.app_context():
            db.engine.dispose()
