"""What the actions of tests/audit/test_every_action.py are done to."""

import shlex
from dataclasses import dataclass

import pytest
from flask import Flask

from callevents.api_access.api_tokens import list_api_tokens
from callevents.api_access.apps import list_apps
from callevents.db.models import Hook, Pbx, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.suspend import suspend
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import extensions, tokens
from tests.cli.conftest import Run
from tests.conftest import Configure
from tests.support.connected_pbx import know
from tests.support.receiver import Receiver
from tests.web.conftest import Visitor
from tests.web.views.test_deliveries import report

BASE = "/pbxs/head-office"
ALL = f"{BASE}/extensions/all"
NUMBER = "0612345678"


@dataclass
class World:
    """What the actions are done to."""

    pbx: Pbx
    hook: Hook
    extension_id: str
    token_id: str
    waiting: str
    failed: str
    user: Visitor
    run: Run

    def get(self, path: str) -> None:
        """Open a page."""
        assert self.user.get(path).status_code == 200

    def post(self, path: str, *, status: int = 303, **values: object) -> None:
        """Submit a form."""
        answer = self.user.post(path, **values)
        assert answer.status_code == status, answer.text

    def command(self, line: str) -> None:
        """Run a command; HOOK, FAILED, CLIENT and API_TOKEN stand for IDs."""
        line = line.replace("HOOK", self.hook.event_id).replace("FAILED", self.failed)
        if "CLIENT" in line:
            line = line.replace("CLIENT", list_apps()[0].id)
        if "API_TOKEN" in line:
            line = line.replace("API_TOKEN", list_api_tokens()[0].id)
        done = self.run(*shlex.split(line))
        assert done.exit_code == 0, done.output

    @property
    def dialog(self) -> str:
        """The path of the hook's dialog."""
        return f"{ALL}/requests/{self.hook.event_id}"

    def suspend(self) -> None:
        """Suspend the hook as a worker does."""
        hook_id = self.hook.id
        db.session.rollback()
        with write_transaction(db.engine) as connection:
            suspend(connection, hook_id, "The receiver returned 410 Gone.", utc_now())
        db.session.rollback()


@pytest.fixture
def world(
    app: Flask, admin: Visitor, pbx: Pbx, configure: Configure, receiver: Receiver, run: Run
) -> World:
    """A PBX with an extension, a hook, a suggestion and two deliveries; an admin."""
    configure.extension("101", "Ana")
    hook = configure.hook("*", EventType.DIAL_IN, f"{receiver.url}/pop?token=geheim")
    begin_write()
    accept(pbx, [Report(event_type=EventType.HANGUP, extension="101", call_id="x", peer=NUMBER)])
    db.session.commit()
    know(pbx, {"201": "Anna", "202": ""})
    waiting = report(pbx, "101", "c-1")
    failed = report(pbx, "101", "c-2", state=DeliveryState.FAILED)
    [extension] = extensions.list_extensions(pbx)
    [token] = tokens.list_tokens(pbx)
    admin.get(f"{BASE}/rename")
    return World(pbx, hook, extension.id, token.public_id, waiting, failed, admin, run)
