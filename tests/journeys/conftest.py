"""The product as real processes, on embedded parts and on PostgreSQL with Valkey."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from callevents.enums import EventType
from tests.support.commands import Commands
from tests.support.databases import PostgresDatabases, SqliteDatabases
from tests.support.programs import CallEvents
from tests.support.receiver import Receiver

LEASE_SECONDS = "2"


class Product(CallEvents):
    """The running product, with the commands of an admin and the reports of a PBX."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        super().__init__(data_dir, **settings)
        commands = Commands(data_dir, **settings)
        #: Runs a command with --json, in this process; returns what it prints.
        self.flask = commands.run
        self._close_commands = commands.close
        self.token = ""

    def end(self) -> None:
        """Stop the product, and close the connections of the commands."""
        super().end()
        self._close_commands()

    def add_pbx(self, name: str) -> None:
        """Add a PBX; reports are made with its token."""
        self.token = self.flask("pbx", "add", name)["token"]

    def report(self, slug: str, **fields: str) -> requests.Response:
        """Report a call event by GET, as a dialplan does."""
        return requests.get(
            f"{self.url}/ingest/{slug}", params=fields | {"token": self.token}, timeout=10
        )

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the deliveries, oldest first."""
        found: list[dict[str, Any]] = self.flask("deliveries", "list", "--limit", "1000")
        return found[::-1]


@pytest.fixture
def settings(
    databases: SqliteDatabases | PostgresDatabases, request: pytest.FixtureRequest
) -> dict[str, str]:
    """The settings of the product: nothing embedded where it runs on PostgreSQL."""
    own = {"allowed_networks": "127.0.0.0/8", "lease_seconds": LEASE_SECONDS}
    if isinstance(databases, PostgresDatabases):
        own["database_url"] = request.getfixturevalue("database_url")
        own["redis_url"] = request.getfixturevalue("redis_url")
    return own


@pytest.fixture
def product(settings: dict[str, str], tmp_path: Path) -> Iterator[Product]:
    """The product, ready."""
    product = Product(tmp_path, **settings)
    try:
        product.wait_until_ready()
        yield product
    finally:
        product.end()


def report_calls(product: Product, numbers: range) -> None:
    """Report a dial-in of 101 for each number, and check that each is accepted."""
    for number in numbers:
        answer = product.report(
            "office", event="dial-in", ext="101", peer="0612", leg=f"leg-{number}"
        )
        assert (answer.status_code, answer.json()["deliveries"]) == (202, 1)


def arrived_legs(receiver: Receiver) -> set[str]:
    """Return the legs that the receiver got requests for."""
    return {arrival.parameters["CallAPIID"] for arrival in receiver.arrivals}


@pytest.fixture
def office(product: Product, receiver: Receiver) -> Product:
    """The running product with a hook for dial-in of all extensions."""
    set_up(product, receiver)
    return product


def set_up(product: Product, receiver: Receiver) -> None:
    """Add a PBX, and a hook for dial-in of all its extensions."""
    product.add_pbx("Office")
    product.flask("hooks", "set", "office", "*", EventType.DIAL_IN.slug, "--url", receiver.url)
