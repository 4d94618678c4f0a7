"""Operations for tests of the frame only. Things are PBXs; an answer holds a secret."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal

from flask import Flask
from pydantic import Field
from sqlalchemy import select, text

from callevents.api.v1 import make_blueprint
from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.models import (
    Answer,
    Body,
    GivenMoment,
    ListQuery,
    NoQuery,
    Page,
    Query,
    QueryBoolean,
    QueryInteger,
)
from callevents.api.v1.operations import Created, Registry
from callevents.api.v1.problems import ProblemType, not_found
from callevents.api_access.scopes import ApiScope
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import Right
from callevents.errors import (
    CallEventsError,
    ConflictError,
    InvalidError,
    NotFoundError,
    RetryLaterError,
    UnavailableError,
)
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.security.encryption import UnreadableError

THINGS = Registry()
TAG = "Things"
SLUG = {"slug": ("The short name of the thing.", "head-office")}


class Thing(Answer):
    """A thing."""

    slug: str
    name: str


class NewThing(Body):
    """A thing to add."""

    name: str = Field(min_length=1, max_length=60)


class AddedThing(Thing):
    """A thing that was added, with its secret."""

    secret: str


class ThingChanges(Body):
    """Changes of a thing."""

    name: str | None = None


class Part(Body):
    """A part of a form."""

    kind: Literal["a", "b"]
    size: int = Field(1, ge=1, le=10)


class Form(Body):
    """Values of all kinds."""

    number: int = 0
    weight: float = 0
    text: str = Field("", max_length=20)
    at: GivenMoment | None = None
    parts: list[Part] = Field(default_factory=list)
    labels: dict[str, int] = Field(default_factory=dict)
    pick: Annotated[Literal["x", "y"] | int, Field()] = "x"


class ThingQuery(ListQuery):
    """A filter of things."""

    name: str = ""


class Flags(Query):
    """Query parameters of all kinds."""

    number: QueryInteger = 0
    is_on: QueryBoolean = False


class Sent(Answer):
    """How much was sent."""

    count: int


def get_thing(call: Call[NoQuery, object], slug: str, right: Right = Right.SEE) -> Pbx:
    pbx = db.session.scalar(select(Pbx).where(Pbx.slug == slug).with_for_update())
    return call.see_pbx(pbx, right)


def to_answer(pbx: Pbx) -> Thing:
    return Thing(slug=pbx.slug, name=pbx.name)


@THINGS.operation(
    "POST",
    "/things",
    scope=ApiScope.PBXS_WRITE,
    summary="Add a thing",
    tag=TAG,
    status=201,
    body=NewThing,
    answer=AddedThing,
    problems=frozenset({ProblemType.CONFLICT}),
)
def add_thing(call: Call[NoQuery, NewThing]) -> Created:
    """Add a thing."""
    call.administer()
    pbx, secret = pbxs.add_pbx(call.body.name)
    return Created(AddedThing(slug=pbx.slug, name=pbx.name, secret=secret), f"/things/{pbx.slug}")


@THINGS.operation(
    "GET",
    "/things",
    scope=ApiScope.PBXS_READ,
    summary="List things",
    tag=TAG,
    query=ThingQuery,
    answer=Page[Thing],
)
def list_things(call: Call[ThingQuery, None]) -> Page[Thing]:
    """List things, newest first."""
    query = select(Pbx).where(call.principal.scope_of(Right.SEE).of_pbxs()).order_by(Pbx.id.desc())
    if call.query.name:
        query = query.where(Pbx.name.startswith(call.query.name, autoescape=True))
    if last_id := find_start(call.query, "things"):
        query = query.where(Pbx.id < int(last_id))
    rows = db.session.scalars(query.limit(call.query.limit + 1)).all()
    return make_page(call.query, "things", rows, lambda pbx: pbx.id, to_answer)


@THINGS.operation(
    "GET",
    "/other-things",
    scope=None,
    summary="List other things",
    tag=TAG,
    query=ThingQuery,
    answer=Page[Thing],
)
def list_other_things(call: Call[ThingQuery, None]) -> Page[Thing]:
    """List nothing, with a cursor of its own."""
    find_start(call.query, "other-things")
    return Page(data=[], next_cursor=None)


@THINGS.operation(
    "GET",
    "/things/{slug}",
    scope=ApiScope.PBXS_READ,
    summary="Get a thing",
    tag=TAG,
    answer=Thing,
    has_etag=True,
)
def show_thing(call: Call[NoQuery, None], slug: str) -> Thing:
    """Return a thing."""
    return to_answer(get_thing(call, slug))


@THINGS.operation(
    "PATCH",
    "/things/{slug}",
    scope=ApiScope.PBXS_WRITE,
    summary="Change a thing",
    tag=TAG,
    body=ThingChanges,
    answer=Thing,
    has_etag=True,
)
def change_thing(call: Call[NoQuery, ThingChanges], slug: str) -> Thing:
    """Change a thing."""
    pbx = get_thing(call, slug, Right.MANAGE)
    call.check_match(to_answer(pbx))
    if call.body.name is not None:
        pbxs.rename_pbx(pbx, call.body.name)
    return to_answer(pbx)


@THINGS.operation(
    "PUT", "/things/{slug}", scope=ApiScope.PBXS_WRITE, summary="Put a thing", tag=TAG, status=204
)
def put_thing(call: Call[NoQuery, None], slug: str) -> None:
    """Add a thing unless there is one."""
    pbx = pbxs.find_pbx(slug)
    call.check_match(to_answer(pbx) if pbx else None)
    if pbx is None:
        pbxs.add_pbx(slug)


@THINGS.operation(
    "POST",
    "/things/{slug}/call",
    scope=ApiScope.PBXS_WRITE,
    summary="Call a thing",
    tag=TAG,
    answer=Sent,
    is_external=True,
)
def call_thing(call: Call[NoQuery, None], slug: str) -> Sent:
    """Do something that takes a while, and that no transaction can undo."""
    WORLD.count += 1
    WORLD.act()
    if slug == "unknown":
        raise not_found("thing")
    begin_write()
    pbxs.add_pbx(f"called {WORLD.count}")
    db.session.commit()
    return Sent(count=WORLD.count)


class World:
    """What external operations act on."""

    def __init__(self) -> None:
        self.count = 0
        #: What happens meanwhile.
        self.act: Callable[[], object] = lambda: None


WORLD = World()


@THINGS.operation(
    "POST", "/forms", scope=None, summary="Send a form", tag=TAG, body=Form, answer=Sent
)
def send_form(call: Call[NoQuery, Form]) -> Sent:
    """Take a form and do nothing with it."""
    return Sent(count=len(call.body.model_fields_set))


@THINGS.operation(
    "GET", "/flags", scope=None, summary="Get flags", tag=TAG, query=Flags, answer=Sent
)
def get_flags(call: Call[Flags, None]) -> Sent:
    """Take flags and do nothing with them."""
    return Sent(count=call.query.number + call.query.is_on)


@THINGS.operation(
    "GET",
    "/old-things",
    scope=None,
    summary="Get old things",
    tag=TAG,
    answer=Sent,
    deprecated_at=datetime(2027, 1, 1, tzinfo=UTC),
    sunset_at=datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC),
)
def get_old_things(call: Call[NoQuery, None]) -> Sent:
    """Return something that nobody should use any more."""
    return Sent(count=0)


@THINGS.operation("POST", "/errors/{slug}", scope=None, summary="Fail", tag=TAG, body=Form)
def fail(call: Call[NoQuery, Form], slug: str) -> None:
    """Fail in the way that the path says, after a change."""
    pbxs.add_pbx("begun and not finished")
    if slug == "sql":
        db.session.execute(text("SELECT * FROM no_such_table"))
    raise _ERRORS[slug](call.body.text)


_ERRORS: dict[str, Callable[[str], Exception]] = {
    "bug": lambda sent: RuntimeError(f"a bug with {sent}"),
    "invalid": lambda sent: InvalidError({"text": [f"{sent!r} is not a/b.", "It is long."]}),
    "not-found": lambda sent: NotFoundError(f"There is no {sent}."),
    "conflict": lambda sent: ConflictError(f"There is {sent} already."),
    "later": lambda _: RetryLaterError("Too many.", 7),
    "unavailable": lambda _: UnavailableError("The database is away."),
    "unreadable": lambda _: UnreadableError(),
    "other": lambda sent: CallEventsError(f"No {sent} here."),
}


def add_things(app: Flask) -> None:
    """Add the routes to the application."""
    WORLD.__init__()  # type: ignore[misc]
    app.register_blueprint(make_blueprint("things", THINGS))
