"""The whole way of a call: reports of a PBX, a worker, and a simulated receiver."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from callevents.config.settings import Settings
from callevents.db.models import Pbx, utc_now
from callevents.db.models import Receiver as ReceiverRow
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.extensions import db
from callevents.pbxs.extensions import get_extension_by_number
from callevents.receivers.connect import connect
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe
from callevents.receivers.users import replace_users
from tests.conftest import Configure
from tests.recipes.simulated.base import Simulated, listen
from tests.support.databases import SqliteDatabases
from tests.support.receiver import Receiver

#: Five phones that ring together.
PHONES = ("101", "102", "103", "104", "105")
CALLER = "+40721000001"


@pytest.fixture(scope="session")
def databases(sqlite: SqliteDatabases) -> SqliteDatabases:
    """SQLite only: what a recipe sends does not depend on the database."""
    return sqlite


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A call that PBXs report by HTTP is over at once after the last hangup."""
    return settings.model_copy(update={"call_end_seconds": 0.1})


class Line:
    """A PBX that reports calls, connected to simulated receivers."""

    def __init__(self, client: FlaskClient, pbx: Pbx, token: str) -> None:
        self._client = client
        self._pbx = pbx
        self._token = token
        self._sockets: list[Receiver] = []
        self._rang_at = utc_now() - timedelta(minutes=2)

    def connect(
        self, recipe: str, simulated: Simulated, users: Mapping[str, str] | None = None
    ) -> ReceiverRow:
        """Connect the phones to a simulated receiver."""
        self._sockets.append(listen(simulated))
        return self.add(recipe, simulated.answers_at(self._sockets[-1].url), users)

    def add(
        self, recipe: str, answers: Mapping[str, str], users: Mapping[str, str] | None = None
    ) -> ReceiverRow:
        """Add a receiver by the recipe, as an admin does, and connect the phones to it."""
        begin_write()
        receiver = create_receiver(make_receiver(get_recipe(recipe), answers, recipe))
        if users:
            replace_users(receiver, self._pbx, users)
        phones = [get_extension_by_number(self._pbx, phone) for phone in PHONES]
        connect(receiver, self._pbx, [phone for phone in phones if phone])
        db.session.commit()
        return receiver

    def close(self) -> None:
        """Close the simulated receivers."""
        for receiver in self._sockets:
            receiver.close()

    def report(self, event: str, extension: str, **fields: object) -> None:
        """Report an event of the call `c1`."""
        values = {"call": "c1", "peer": CALLER, "event": event, "ext": extension, **fields}
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._client.post(f"/ingest/{self._pbx.slug}", headers=headers, json=values)
        assert answer.status_code == 202, answer.text

    def ring_group(self, answers: str = "") -> None:
        """Ring all phones; one of them answers and talks for 42 seconds, or nobody does."""
        self.ring()
        self.end(answers)

    def ring(self) -> None:
        """Ring all phones."""
        for phone in PHONES:
            self.report("dialin", phone, at=self._rang_at.timestamp())

    def end(self, answers: str = "") -> None:
        """End the call: one of the phones answers and talks for 42 seconds, or nobody does."""
        answer = self._rang_at + timedelta(seconds=8)
        end = self._rang_at + timedelta(seconds=50)
        if answers:
            self.report("answerin", answers, at=answer.timestamp())
        for phone in PHONES:
            if phone != answers:
                cause, at = (26, answer) if answers else (19, end)
                self.report("hangup", phone, cause=cause, at=at.timestamp())
        if answers:
            self.report("hangup", answers, cause=16, duration=42, at=end.timestamp())


@pytest.fixture
def line(
    client: FlaskClient, pbx: Pbx, token: str, configure: Configure, engine: Engine
) -> Iterator[Line]:
    """A PBX with five phones, and a running worker."""
    for phone in PHONES:
        configure.extension(phone)
    found = Line(client, pbx, token)
    engine.start()
    yield found
    found.close()
