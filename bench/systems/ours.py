"""Call Events as `python app.py` runs it, with one hook for each event of EVENTS."""

import sys
from pathlib import Path

from bench.events import ASIDE, EVENTS, EXTENSIONS
from bench.systems.base import REPORT, System
from callevents import create_app
from callevents.config.settings import Settings, load_settings
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.pbxs import extensions, pbxs
from tests.support.programs import ROOT, clean_environment

#: Unlike a real installation: the receiver is on this machine, and one PBX reports for a thousand.
SETTINGS = {"allowed_networks": "127.0.0.0/8", "ingest_events_per_minute": "100000000"}


class OnSqlite(System):
    """The default set-up: SQLite with full sync, and the embedded Valkey."""

    title = "Call Events, SQLite"
    keeps = "all, in SQL"

    def __init__(
        self, folder: Path, receiver_url: str, hanging_url: str = "", **settings: str
    ) -> None:
        super().__init__(folder, receiver_url, hanging_url)
        self._settings = settings

    def start(self) -> None:
        """Start and configure it."""
        settings = SETTINGS | self.databases() | self._settings
        environment = clean_environment(
            **settings,
            data_dir=str(self.folder),
            port=str(self.port),
            admin_password="for the benchmark only",
        )
        self.run(sys.executable, str(ROOT / "app.py"), **environment)
        self.wait_until_ready("/readyz")
        token = self._configure(load_settings(**settings, data_dir=self.folder))
        self.target = f"/ingest/bench?token={token}&{REPORT}"

    def databases(self) -> dict[str, str]:
        """Return the settings of the databases that it uses."""
        return {}

    def _configure(self, settings: Settings) -> str:
        """Add a PBX with extensions and a hook for each; return the PBX's token."""
        app = create_app(settings)
        with app.app_context():
            begin_write()
            pbx, token = pbxs.add_pbx("Bench")
            for number in (*EXTENSIONS, ASIDE):
                extension = extensions.add_extension(pbx, number)
                is_aside = number == ASIDE and self.hanging_url
                data = hooks.HookData(url=self.hanging_url if is_aside else self.receiver_url)
                for name in EVENTS:
                    hooks.set_hook(pbx, extension, EventType.from_slug(name), data)
            db.session.commit()
            db.session.remove()
            db.engine.dispose()
        return token


class OnPostgres(OnSqlite):
    """On a PostgreSQL and a Valkey, with two web processes."""

    title = "Call Events, PostgreSQL"

    def databases(self) -> dict[str, str]:
        """Start PostgreSQL and Valkey."""
        return {
            "database_url": self.start_postgres(),
            "redis_url": self.start_valkey(),
            "web_processes": "2",
        }
