"""A configuration with all that can be configured, and an empty installation."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from callevents import create_app
from callevents.conditions import Conditions, Hours
from callevents.config.settings import Settings
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import (
    AuthKind,
    BodyFormat,
    ConnectorKind,
    EventType,
    Format,
    HookScope,
    Method,
    MissingAnswer,
    ParameterSet,
)
from callevents.extensions import db
from callevents.hooks import hooks, signing_secret
from callevents.hooks.options import (
    Answers,
    BodyTemplate,
    Credentials,
    CustomHeader,
    HookOptions,
)
from callevents.operations.configuration.changes import Change
from callevents.operations.configuration.document import Document
from callevents.operations.configuration.export import export_configuration
from callevents.operations.configuration.importing import import_configuration
from callevents.pbxs import connectors, extensions, pbxs
from callevents.pbxs.data_protection import set_data_protection
from callevents.pbxs.number_plan import set_number_plan
from callevents.pbxs.quotas import set_quotas
from tests.conftest import let_go
from tests.support.databases import PostgresDatabases, SqliteDatabases

Another = Callable[[], AbstractContextManager[None]]

TEMPLATED = HookOptions(
    body_format=BodyFormat.TEMPLATE,
    body_template=BodyTemplate("application/json", '{\n  "from": "{CallerIDNum}"\n}\n'),
    value_maps={"direction": {"IN": "in", "*": ""}},
    scope=HookScope.CALL,
    conditions=Conditions(
        directions=("in",),
        answered=True,
        min_seconds=5,
        hours=Hours((1, 5), "09:00", "17:30", "Europe/Bucharest", is_outside=True),
        numbers=("+40*", "101"),
        queues=("support",),
    ),
    answers=Answers(missing=MissingAnswer.OMIT),
)
SECRETS = ("hunter2-password", "tok-4711-secret", "x-secret-value", "ami-secret", "sign-4711")


@pytest.fixture
def full(pbx: Pbx) -> Pbx:
    """The PBX 'Head office' with every kind of setting, and secrets wherever there can be one."""
    begin_write()
    pbxs.set_format(pbx, Format.WAZO.value)
    set_data_protection(pbx, retention_days=7, hides_numbers=True)
    set_number_plan(pbx, country="RO", outside_prefix="9", trunk_prefix="", internal_lengths="3,4")
    config = connectors.ConnectorConfig(
        kind=ConnectorKind.ASTERISK,
        host="pbx.example.com",
        port=5038,
        username="callevents",
        secret=SECRETS[3],
        uses_tls=True,
        extension_pattern=r"1\d\d",
    )
    connectors.set_connector(pbx, config)
    one = extensions.add_extension(pbx, "101", "Reception")
    extensions.add_extension(pbx, "0003*102")
    options = HookOptions(
        give_up_seconds=300,
        in_order=False,
        body_format=BodyFormat.JSON,
        parameters=ParameterSet.VOIPNOW,
        headers=(CustomHeader("X-Key", SECRETS[2]),),
        credentials=Credentials(AuthKind.BASIC, "crm", SECRETS[0]),
    )
    url = f"https://crm.example.com/in?token={SECRETS[1]}&n={{CallerIDNum}}"
    data = hooks.HookData(url, Method.POST, active=False, note="CRM\nlead", options=options)
    signed = hooks.create_hook(pbx, one, EventType.DIAL_IN, data)
    signing_secret.rotate_secret(signed)
    plain = hooks.HookData("https://log.example.com/")
    hooks.create_hook(pbx, one, EventType.DIAL_IN, plain)
    templated = replace(plain, method=Method.PUT, options=TEMPLATED)
    hooks.create_hook(pbx, None, EventType.HANGUP, templated)
    # Below what there is already.
    set_quotas(pbx, {"max_hooks": 2, "max_events_per_minute": 100})
    db.session.commit()
    return pbx


@pytest.fixture
def another(
    app: Flask,
    databases: SqliteDatabases | PostgresDatabases,
    settings: Settings,
    tmp_path: Path,
) -> Another:
    """Begins another installation with nothing in it. On PostgreSQL the first one is emptied."""

    @contextmanager
    def another() -> Iterator[None]:
        db.session.rollback()
        with databases.empty() as url:
            changed = {"database_url": url, "data_dir": tmp_path / "empty"}
            other = create_app(settings.model_copy(update=changed))
            with other.app_context():
                yield
            let_go(other)

    return another


def export() -> Document:
    """Export everything."""
    db.session.rollback()
    return export_configuration(pbxs.list_pbxs())


def load(document: Document, *, prune: bool = False) -> list[Change]:
    """Import the document."""
    begin_write()
    changes = import_configuration(document, prune=prune)
    db.session.commit()
    return list(changes)
