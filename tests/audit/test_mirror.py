"""Mirrors of the history: a file and syslog, written after the commit; failures break nothing."""

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from callevents.audit import mirror
from callevents.config.settings import Settings
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import pbxs
from tests.audit.conftest import actions, entries
from tests.conftest import Configure
from tests.support.log_capture import Logged
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_until


@pytest.fixture
def syslog() -> Iterator[socket.socket]:
    """A syslog on a UDP socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        yield server


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, syslog: socket.socket) -> Iterator[Settings]:
    """Settings with both mirrors."""
    host, port = syslog.getsockname()
    mirrors = {"audit_file": tmp_path / "history.jsonl", "audit_syslog": f"{host}:{port}"}
    yield settings.model_copy(update=mirrors)
    mirror._connect(f"{host}:{port}").close()
    mirror._connect.cache_clear()


def rename(pbx: Pbx, name: str) -> None:
    """Rename the PBX."""
    begin_write()
    pbxs.rename_pbx(pbx, name)
    db.session.commit()


def read_lines(settings: Settings) -> list[dict[str, object]]:
    """Return the entries in the file."""
    assert settings.audit_file is not None
    return [json.loads(line) for line in settings.audit_file.read_text().splitlines()]


def test_entries_are_mirrored_after_the_commit(
    pbx: Pbx, settings: Settings, syslog: socket.socket
) -> None:
    """Both mirrors have all that was committed, and nothing that was rolled back."""
    begin_write()
    pbxs.rename_pbx(pbx, "Nobody")
    db.session.flush()
    before = len(read_lines(settings))
    db.session.rollback()
    rename(pbx, "Main office")
    lines = read_lines(settings)
    assert [line["action"] for line in lines] == actions()
    assert (before, len(lines)) == (2, 3)
    assert [line["id"] for line in lines] == [entry.id for entry in entries()]
    assert lines[-1]["after"] == {"name": "Main office"}
    for line in lines:
        # The facility authpriv (10), the level info (6).
        start, _, text = syslog.recv(65536).rstrip(b"\0").decode().partition("callevents: ")
        assert (start, json.loads(text)) == ("<86>", line)


def test_only_its_owner_reads_the_file(pbx: Pbx, settings: Settings) -> None:
    """The file is created for its owner; one that was rotated away is created again."""
    assert settings.audit_file is not None
    assert stat.S_IMODE(settings.audit_file.stat().st_mode) == 0o600
    settings.audit_file.rename(settings.audit_file.with_suffix(".1"))
    rename(pbx, "Main office")
    assert [line["action"] for line in read_lines(settings)] == ["pbx.renamed"]


def test_workers_mirror_too(
    app: Flask,
    pbx: Pbx,
    configure: Configure,
    receiver: Receiver,
    engine: Engine,
    settings: Settings,
) -> None:
    """A suspension, which a worker stores without a session, is mirrored."""
    receiver.reply = lambda _arrival: Reply(410)
    configure.hook("*", EventType.DIAL_IN, receiver.url)
    engine.start()
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101")])
    db.session.commit()
    wait_until(lambda: read_lines(settings)[-1]["action"] == "hook.suspended", "the suspension")
    assert read_lines(settings)[-1]["actor"] == {
        "kind": "system",
        "id": None,
        "name": "worker",
        "address": "",
    }
    assert actions()[-1] == "hook.suspended"


def test_failing_mirrors_break_nothing(
    app: Flask, pbx: Pbx, settings: Settings, logged: Logged, tmp_path: Path
) -> None:
    """The change is stored, and the log has a warning for each mirror."""
    settings.audit_file = tmp_path / "missing" / "history.jsonl"
    settings.audit_syslog = str(tmp_path / "no-socket")
    rename(pbx, "Main office")
    db.session.rollback()
    assert pbxs.get_pbx("head-office").name == "Main office"
    assert actions()[-1] == "pbx.renamed"
    assert "could not write the history's file" in logged.text
    assert "could not send the history to syslog" in logged.text
    assert "Traceback" not in logged.text


@pytest.mark.parametrize("value", ["syslog", "host:", ":514", "host:0", "host:port", "h:99999"])
def test_wrong_addresses_are_refused(value: str) -> None:
    """The message says what is possible."""
    with pytest.raises(ValueError, match="must be the path of a socket such as /dev/log"):
        Settings(audit_syslog=value)
