"""Schemathesis over the whole document: no error of the server, nothing that is undocumented."""

import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from callevents.api.v1.documents import api_document
from callevents.api.v1.operations import PREFIX, REGISTRY
from callevents.api_access.scopes import V1_SCOPES
from callevents.config.settings import Settings
from callevents.enums import Role
from callevents.extensions import db
from tests.api.v1.conftest import MakeApi
from tests.api.v1.seeded import Seeded, list_users, seed
from tests.support.programs import ROOT
from tests.support.receiver import Receiver
from tests.support.served import Served

CONFIG = ROOT / "tests" / "api" / "openapi" / "schemathesis.toml"
PROGRAM = Path(sysconfig.get_path("scripts")) / "schemathesis"
#: Requests for each operation and phase; more with `make contract`, which runs all phases for all.
EXAMPLES = os.environ.get("CALLEVENTS_CONTRACT_EXAMPLES", "3")
IS_SHORT = EXAMPLES == "3"
ALL_PHASES = "examples,coverage,fuzzing,stateful"
#: Without the phase that tries every boundary of every value, which takes most of the time.
QUICK_PHASES = "examples,fuzzing" if IS_SHORT else ALL_PHASES
SECONDS = 1800

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings that let a test make many requests."""
    return settings.model_copy(update={"api_requests_per_minute": 1_000_000})


@dataclass(frozen=True)
class Installation:
    """A filled installation on a socket, and its document with examples that are there."""

    address: str
    document: Path


@pytest.fixture
def installation(app: Flask, receiver: Receiver, tmp_path: Path) -> Iterator[Installation]:
    """A filled installation."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    receiver.reply = list_users
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(with_examples(api_document(), seed(receiver.url))))
    db.session.remove()
    served = Served(app, "")
    yield Installation(f"http://127.0.0.1:{served.port}", document)
    served.close()


def with_examples(document: dict[str, Any], seeded: Seeded) -> dict[str, Any]:
    """Return the document with examples of what is there in paths, and bodies that can be added."""
    changed: dict[str, Any] = json.loads(json.dumps(document))
    for one in REGISTRY.operations:
        described = changed["paths"][PREFIX + one.path][one.method.lower()]
        values = {**seeded.values, **seeded.of.get(one.id, {})}
        for parameter in described.get("parameters", ()):
            if parameter.get("in") == "path":
                parameter["example"] = values[parameter["name"]]
        for content in described.get("requestBody", {}).get("content", {}).values():
            content["example"] = seeded.body(one)
    return changed


def check(at: Installation, token: str, phases: str) -> None:
    """Run all checks with the token; fail with what Schemathesis prints."""
    options = ["--phases", phases]
    options += ["--url", at.address, "--checks", "all", "--max-examples", EXAMPLES, "--no-color"]
    if token:
        options += ["--header", f"Authorization: Bearer {token}"]
    done = subprocess.run(
        [PROGRAM, "--config-file", CONFIG, "run", at.document, *options],
        cwd=at.document.parent,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_with_a_token(installation: Installation, api: MakeApi, role: Role) -> None:
    """Every answer is as documented, whatever is sent."""
    # In the short form every boundary is tried once: on the database that refuses more values.
    is_thorough = role is Role.ADMIN and (db.engine.dialect.name == "postgresql" or not IS_SHORT)
    phases = ALL_PHASES if is_thorough else QUICK_PHASES
    check(installation, api(role, V1_SCOPES).token, phases)


def test_without_a_token(installation: Installation) -> None:
    """The same for strangers."""
    check(installation, "", QUICK_PHASES)
