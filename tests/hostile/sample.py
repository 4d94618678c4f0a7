"""Real values for the addresses of all pages, and a picture of what strangers must not change."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from werkzeug.routing import Rule

from callevents.db.models import (
    CallEvent,
    Connector,
    Delivery,
    Extension,
    Grant,
    Hook,
    IngestToken,
    Pbx,
    User,
    UserSession,
)
from callevents.enums import DeliveryState
from tests.hostile.arena import Arena
from tests.hostile.probe import ask
from tests.hostile.product import ADMIN, VIEWER
from tests.hostile.requests_raw import FORM, PATH, new_id, post, report_body
from tests.support.waiting import wait_until

EXTENSION = "8"
_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Route:
    """One address of the application, filled in."""

    endpoint: str
    path: str
    methods: frozenset[str]


def find_routes(arena: Arena) -> list[Route]:
    """Return all routes, with the IDs of things that exist, so that a request would hit."""
    samples = _Samples(arena)
    return [
        Route(
            rule.endpoint,
            _ARGUMENT.sub(lambda found, rule=rule: samples.find(rule, found[1]), rule.rule),  # type: ignore[misc]  # a default binds it
            frozenset(rule.methods or ()),
        )
        for rule in arena.product.commands.app.url_map.iter_rules()
    ]


class _Samples:
    """An extension with a request, and an event that was delivered by it."""

    def __init__(self, arena: Arena) -> None:
        product = arena.product
        if (EXTENSION,) not in product.query(select(Extension.number)):
            product.commands.run("extensions", "add", "target", EXTENSION)
            hook = ("hooks", "set", "target", EXTENSION, "dial-in", "--method", "POST")
            product.commands.run(*hook, "--url", f"{arena.load.url}/sample")
            key = new_id("sample")
            body = report_body(key, ext=EXTENSION, call=key)
            kind, token = f"Content-Type: {FORM}", f"X-Ingest-Token: {product.token}"
            assert not ask(arena, post(key, PATH, body, kind, token))
        self._hook = _first(arena, select(Hook.event_id).where(Hook.url.endswith("/sample")))
        self._extension = _first(arena, select(Extension.id).where(Extension.number == EXTENSION))
        found = select(CallEvent.id).where(CallEvent.extension == EXTENSION)
        self._event = _first(arena, found)
        # Its state must not change later, as if a stranger had changed it.
        is_over = Delivery.state == DeliveryState.DELIVERED
        found = select(Delivery.id).where(Delivery.extension == EXTENSION, is_over)
        self._delivery = _first(arena, found)
        pbx_id = select(Pbx.id).where(Pbx.slug == "target").scalar_subquery()
        self._session = _first(
            arena, select(UserSession.id).join(User).where(User.username == ADMIN[0])
        )
        self._token = _first(
            arena, select(IngestToken.public_id).where(IngestToken.pbx_id == pbx_id)
        )

    def find(self, rule: Rule, name: str) -> str:
        """Return the value of an argument of a rule."""
        is_event = rule.endpoint.startswith("test_event")
        is_uapi = rule.endpoint.startswith("uapi.")
        known: dict[str, str] = {
            "slug": "target",
            "filename": "app.css",
            "event_type": "0" if is_uapi else "dial-in",
            "user": "@me",
            "extension": EXTENSION,
            "place": self._extension,
            "extension_id": self._extension,
            "delivery_id": self._delivery,
            "token_id": self._token,
            "session_id": self._session,
            "username": VIEWER[0],
            # No password link has this one.
            "token": "unknown",
            # Neither exists: admins have no passkey here, and there is no provider.
            "passkey_id": self._session,
            # There is no app, and no entry of the history has this ID.
            "app_id": "unknown",
            # There is no receiver.
            "name": "unknown",
            "receiver": "unknown",
            "recipe": "unknown",
            "recipe_name": "unknown",
            "client_id": "unknown",
            "entry_id": self._session,
            "call_event_id": self._event,
            "ingest_token_id": self._token,
            "number": "1",
            # Nothing was removed.
            "removal_id": self._session,
            "change_id": self._session,
            # There is no group.
            "group_id": "1",
            "provider": "none",
            "event_id": self._event if is_event else self._hook,
        }
        return known[name]


def _first(arena: Arena, statement: Any) -> Any:
    wait_until(lambda: arena.product.query(statement), "a sample")
    return arena.product.query(statement)[0][0]


def picture(arena: Arena) -> list[Sequence[Any]]:
    """Return everything that a change by a stranger would change."""
    return [arena.product.query(statement) for statement in _statements()]


def _statements() -> Iterator[Any]:
    # What the load does is noted: its token is used. Sign-ins are noted, too. Workers still note
    # when the receivers of another group began to fail.
    noted = {"last_used_at", "last_used_address", "last_sign_in_at", "failing_since"}
    for model in (Pbx, IngestToken, Extension, Connector, User, Grant, Hook):
        yield select(*(one for one in model.__table__.columns if one.name not in noted))
    # A viewer may end the own ones.
    yield select(UserSession.id).join(User).where(User.username == ADMIN[0])
    pbx_id = select(Pbx.id).where(Pbx.slug == "target").scalar_subquery()
    columns = (Delivery.id, Delivery.state, Delivery.resent_at)
    yield select(*columns).where(Delivery.pbx_id == pbx_id, Delivery.extension == EXTENSION)
