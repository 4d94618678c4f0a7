"""Clients that are generated from the document: they create a hook and read an attempt."""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from flask import Flask

from callevents.delivery.engine import Engine
from callevents.extensions import db
from tests.api.v1.conftest import Api
from tests.api.v1.seeded import seed
from tests.support import node_tools
from tests.support.receiver import Receiver
from tests.support.served import Served

FOLDER = node_tools.FOLDER
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"
GENERATOR = Path(sysconfig.get_path("scripts")) / "openapi-python-client"

pytestmark = pytest.mark.slow


@pytest.fixture
def address(app: Flask, receiver: Receiver, engine: Engine) -> Iterator[str]:
    """The address of an installation with a worker."""
    seed(receiver.url)
    db.session.remove()
    engine.start()
    served = Served(app, "")
    yield f"http://127.0.0.1:{served.port}"
    served.close()


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program; return what it prints. Fails if it fails."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_sent(found: dict[str, Any], receiver: Receiver, path: str) -> None:
    """Check that the attempt was what the receiver got."""
    (arrived,) = [one for one in receiver.arrivals if one.path == path]
    assert found["status"] == 200
    assert found["body"] == arrived.body
    assert parse_qs(arrived.body)["EventType"] == ["dial-in"]
    assert found["stale"] == "/api/docs#precondition-failed"


def test_python(address: str, admin: Api, receiver: Receiver, tmp_path: Path) -> None:
    """openapi-python-client reads the whole document, and its client works."""
    config = FOLDER / "python_client.yaml"
    package = tmp_path / "callevents_client"
    options = ("--config", config, "--output-path", package, "--meta", "none")
    run(GENERATOR, "generate", "--path", DOCUMENT, "--fail-on-warning", *options, cwd=tmp_path)
    program = tmp_path / "client.py"
    program.write_text((FOLDER / "client.py").read_text())
    printed = run(sys.executable, program, address, admin.token, receiver.url, cwd=tmp_path)
    found = json.loads(printed)
    check_sent(found, receiver, "/from-python")
    assert (found["note"], found["hooks"]) == ("by Python", 3)


def test_typescript(address: str, admin: Api, receiver: Receiver, tmp_path: Path) -> None:
    """openapi-typescript reads the whole document; the program has the right types, and works."""
    node_tools.install()
    project = node_tools.make_project(tmp_path)
    node_tools.run("openapi-typescript/bin/cli.js", DOCUMENT, "-o", project / "schema.d.ts")
    node_tools.run("typescript/bin/tsc", "--project", project)
    printed = node_tools.run_node("client.ts", address, admin.token, receiver.url, cwd=project)
    found = json.loads(printed)
    check_sent(found, receiver, "/from-typescript")
    assert (found["note"], found["replayed"]) == ("by TypeScript", "true")
    wrong = (project / "client.ts").read_text().replace('extension: "101"', "extension: 101", 1)
    (project / "client.ts").write_text(wrong)
    with pytest.raises(AssertionError, match="not assignable to type 'string'"):
        node_tools.run("typescript/bin/tsc", "--project", project)
