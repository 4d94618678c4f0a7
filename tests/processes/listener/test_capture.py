"""`flask pbx capture`: writes messages of a PBX, without secrets, for `flask pbx replay`."""

import json
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from callevents.config.settings import Settings
from callevents.db.models import Pbx
from callevents.security.masking import MASK
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.redaction import mask
from tests.conftest import SECRET_KEY, RunPython
from tests.processes.listener.conftest import Serve, connect
from tests.processes.listener.test_follower import KINDS, find_call, middle
from tests.support.databases import SqliteDatabases
from tests.support.pbx_server import SECRET
from tests.support.programs import ROOT, Program
from tests.support.recorded_streams import EXPECTED, read_messages
from tests.support.waiting import wait_until


@pytest.fixture(scope="session")
def databases(sqlite: SqliteDatabases) -> SqliteDatabases:
    """SQLite only: the database does not matter here."""
    return sqlite


@pytest.fixture
def capture(settings: Settings, tmp_path: Path, run_python: RunPython) -> Callable[..., Program]:
    """Starts `flask pbx capture`."""

    def start(*arguments: str) -> Program:
        flask = ("-m", "flask", "--app", str(ROOT / "app.py"))
        values = {
            "database_url": settings.database_url,
            "redis_url": settings.redis_url,
            "data_dir": str(tmp_path),
            "secret_key": SECRET_KEY,
        }
        command = (*flask, "pbx", "capture", *arguments)
        return run_python(*command, **values)

    return start


def run(app: Flask, *arguments: str) -> Result:
    """Run a command in this process."""
    return app.test_cli_runner().invoke(args=["pbx", *arguments])


@pytest.mark.parametrize(("kind", "number"), KINDS)
def test_a_capture_can_be_replayed(
    app: Flask,
    pbx: Pbx,
    serve: Serve,
    capture: Callable[..., Program],
    tmp_path: Path,
    kind: str,
    number: str,
) -> None:
    """Started during a call and stopped by Ctrl-C: the replay shows the rest of the call."""
    parts, words = find_call(kind, number)
    half = middle(parts, kind)
    server = serve(kind)
    connect(pbx, kind, server.port)
    server.say(parts[:half])
    path = tmp_path / "capture.txt"
    program = capture("head-office", str(path))
    server.wait_for_listener()
    server.say(parts[half:])
    end = {"asterisk": b"Event: Hangup\r", "freeswitch": b"CHANNEL_HANGUP_COMPLETE"}[kind]
    wait_until(path.exists, "the file")
    wait_until(lambda: path.read_bytes().count(end) == 2, "the end of the call in the file")
    program.process.send_signal(signal.SIGINT)
    assert program.wait() == 0
    assert f"messages in {path}" in program.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in path.read_text()
    replayed = run(app, "replay", "--source", kind, "--pbx", "head-office", str(path))
    assert replayed.exit_code == 0
    events = [json.loads(line) for line in replayed.stdout.splitlines()]
    replayed = [f"{event['extension']} {event['event']} {event['peer']}" for event in events]
    assert replayed == words[4:]


def test_errors_are_reported(app: Flask, pbx: Pbx, serve: Serve, tmp_path: Path) -> None:
    """No connector, a wrong secret, no such folder: an error message and exit code 1.

    A failed capture does not overwrite an earlier one.
    """
    path = tmp_path / "file"
    path.write_text("an earlier capture")
    result = run(app, "capture", "head-office", str(path))
    assert (result.exit_code, result.stderr) == (1, "Error: Head office has no connector.\n")
    connect(pbx, "asterisk", serve("asterisk").port, secret="wrong")
    result = run(app, "capture", "head-office", str(path))
    assert result.exit_code == 1
    assert "Asterisk refuses the user 'callevents'" in result.stderr
    assert path.read_text() == "an earlier capture"
    connect(pbx, "asterisk", serve("asterisk").port)
    path = tmp_path / "none" / "file"
    result = run(app, "capture", "head-office", str(path))
    assert result.exit_code == 1
    assert f"Error: Cannot write {path}: No such file or directory." in result.stderr


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("variable_sip_auth_response", "6629fae49393a05397450978507c4ef1", MASK),
        ("variable_user_password", "1234", MASK),
        ("variable_sip_h_X-Token", "abc", MASK),
        ("Exten", "geheim", MASK),
        ("ApplicationData", "R=${CURL(http://x/i?token=cet_abc&ext=1)}", None),
        ("ApplicationData", "https://user:pw@crm.example.com/", f"https://{MASK}@crm.example.com/"),
        ("CallerIDName", "Ana Pop", "Ana Pop"),
        ("variable_rtp_last_audio_local_crypto_key", "AES_CM_128 inline:c2VjcmV0", MASK),
        ("variable_conference_pin", "4711", MASK),
        (
            "variable_switch_r_sdp",
            "a=crypto:1 AES_CM_128 inline:c2VjcmV0|2^20\r\na=ice-pwd:hush\r\n",
            f"a=crypto:1 AES_CM_128 inline:{MASK}|2^20\r\na=ice-pwd:{MASK}\r\n",
        ),
        ("variable_pinned", "yes", "yes"),
        ("variable_password", "", ""),
    ],
)
def test_secrets_are_masked(name: str, value: str, masked: str | None) -> None:
    """Secrets are masked by field name, within values, and the connector's secret everywhere."""
    result = mask({name: value}, "geheim")[name]
    if masked is None:
        assert "cet_abc" not in result
        assert "ext=1" in result
    else:
        assert result == masked


@pytest.mark.parametrize("kind", SOURCES)
def test_messages_are_written_as_they_are_read(kind: str) -> None:
    """Every recorded message is the same after writing and reading it."""
    source = SOURCES[kind]
    for name in EXPECTED[kind]:
        messages: list[Message] = read_messages(kind, name)
        written = b"".join(map(source.write_message, messages))
        assert list(source.make_parser().feed(written)) == messages
