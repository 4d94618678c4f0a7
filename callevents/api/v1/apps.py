"""OAuth 2.0 apps: list, add, show, change, give another secret, remove."""

from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import joinedload

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.delegation import (
    check_covers,
    check_is_lasting,
    check_scopes,
    find_owner,
    find_pbx,
)
from callevents.api.v1.models import (
    Answer,
    Body,
    Changes,
    ListQuery,
    Moment,
    NoQuery,
    Page,
    optional,
)
from callevents.api.v1.operations import Created, operation
from callevents.api.v1.problems import ProblemType, not_found
from callevents.api_access import apps
from callevents.api_access.scopes import ApiScope, split_scopes
from callevents.db.models import MAX_URL_LENGTH, OAuthApp
from callevents.extensions import db
from callevents.validation import MAX_NAME_LENGTH

TAG = "Apps"
LIST = "apps"

_UAPI = "`uapi` is VoipNow's UnifiedAPI; to pass it on, a token needs hooks:read and hooks:write."


class App(Answer):
    """An OAuth 2.0 client. Its secret cannot be read again."""

    client_id: str
    name: str
    user: str = Field(description="The owner, for whom it acts with the grant client_credentials.")
    scopes: list[ApiScope]
    pbx: str | None = Field(description="The PBX that it is limited to; null: all.")
    redirect_uris: list[str]
    created_at: Moment
    last_used_at: Moment | None = Field(description="Up to a minute behind the last request.")
    last_used_address: str = Field(description="The client's IP address; empty: not used yet.")


class CreatedApp(App):
    """A new app, with its secret."""

    client_secret: str = Field(description="It is shown this once.")


class AppSecret(Answer):
    """The new secret of an app."""

    client_id: str
    client_secret: str = Field(description="It is shown this once.")


class NewApp(Body):
    """An app to add."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    scopes: list[ApiScope] = Field(
        min_length=1, description=f"At most those of the calling token. {_UAPI}"
    )
    user: str | None = optional("The owner; by default that of the calling token.")
    pbx: str | None = optional("The PBX to limit it to; null: all.")
    redirect_uris: list[str] = Field(
        default=[],
        max_length=apps.MAX_REDIRECT_URIS,
        description="Where users are sent back to after they have allowed it: https, or http to "
        f"their own machine. Each has at most {MAX_URL_LENGTH} characters.",
    )


class AppChanges(Changes):
    """What to change of an app."""

    name: str = Field("", min_length=1, max_length=MAX_NAME_LENGTH)
    scopes: list[ApiScope] = Field(
        [], min_length=1, description=f"At most those of the calling token. {_UAPI}"
    )
    redirect_uris: list[str] | None = Field(
        None, max_length=apps.MAX_REDIRECT_URIS, description="null: none."
    )


EXAMPLE = {
    "client_id": "5d0c4f7b9a1e42c38b6f70d2e95a1c34",
    "name": "Customer portal",
    "user": "olga",
    "scopes": ["uapi"],
    "pbx": None,
    "redirect_uris": ["https://portal.example.com/oauth"],
    "created_at": "2026-03-01T09:30:00.000Z",
    "last_used_at": "2026-03-02T08:12:44.120Z",
    "last_used_address": "203.0.113.7",
}
SECRET = "3f9a...64 characters...c07e"  # noqa: S105  # an example


@operation(
    "GET",
    "/apps",
    scope=ApiScope.TOKENS_READ,
    summary="List apps",
    tag=TAG,
    query=ListQuery,
    answer=Page[App],
    answer_example={"data": [EXAMPLE], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_apps(call: Call[ListQuery, None]) -> Page[App]:
    """Return all OAuth 2.0 apps. Only admins of all PBXs see and change them."""
    call.administer()
    loaded = joinedload(OAuthApp.user), joinedload(OAuthApp.pbx)
    rows = select(OAuthApp).options(*loaded)
    if start := find_start(call.query, LIST):
        at, client_id = _read_position(start)
        same = and_(OAuthApp.created_at == at, OAuthApp.id < client_id)
        rows = rows.where(or_(OAuthApp.created_at < at, same))
    rows = rows.order_by(OAuthApp.created_at.desc(), OAuthApp.id.desc())
    found = db.session.scalars(rows.limit(call.query.limit + 1)).all()
    return make_page(call.query, LIST, found, _position_of, to_answer)


@operation(
    "POST",
    "/apps",
    scope=ApiScope.TOKENS_WRITE,
    summary="Add an app",
    tag=TAG,
    status=201,
    body=NewApp,
    answer=CreatedApp,
    body_example={
        "name": "Customer portal",
        "scopes": ["uapi"],
        "redirect_uris": ["https://portal.example.com/oauth"],
    },
    answer_example={
        **EXAMPLE,
        "last_used_at": None,
        "last_used_address": "",
        "client_secret": SECRET,
    },
)
def create_app(call: Call[NoQuery, NewApp]) -> Created:
    """Add an OAuth 2.0 app and return its secret, which cannot be read again.

    Its scopes are at most those of the calling token, which must not expire: an app does not.
    """
    call.administer()
    check_is_lasting(call)
    body = call.body
    check_scopes(call, body.scopes)
    row, secret = apps.add_app(
        find_owner(call, body.user),
        body.name,
        pbx=find_pbx(call, body.pbx),
        scopes=body.scopes,
        redirect_uris=body.redirect_uris,
    )
    made = CreatedApp(**to_answer(row).model_dump(), client_secret=secret)
    return Created(made, f"/apps/{row.id}")


@operation(
    "GET",
    "/apps/{client_id}",
    scope=ApiScope.TOKENS_READ,
    summary="Get an app",
    tag=TAG,
    answer=App,
    answer_example=EXAMPLE,
    has_etag=True,
)
def get_app(call: Call[NoQuery, None], client_id: str) -> App:
    """Return an app, without its secret."""
    call.administer()
    return to_answer(_get(client_id))


@operation(
    "PATCH",
    "/apps/{client_id}",
    scope=ApiScope.TOKENS_WRITE,
    summary="Change an app",
    tag=TAG,
    body=AppChanges,
    answer=App,
    body_example={"redirect_uris": ["https://portal.example.com/oauth/back"]},
    answer_example={**EXAMPLE, "redirect_uris": ["https://portal.example.com/oauth/back"]},
    has_etag=True,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def update_app(call: Call[NoQuery, AppChanges], client_id: str) -> App:
    """Change what the body names. The owner, the PBX and the client ID stay.

    The calling token needs all scopes that the app has, and those that it gets; it must not expire
    if the app gets more. Scopes that you take away are gone at once, also from tokens that the app
    has already.
    """
    call.administer()
    row = _get(client_id, lock=True)
    call.check_match(to_answer(row))
    check_covers(call, row)
    given = call.body.given()
    if gained := set(given.get("scopes", ())) - split_scopes(row.scopes):
        check_is_lasting(call)
        check_scopes(call, gained)
    if "redirect_uris" in given:
        given["redirect_uris"] = given["redirect_uris"] or []
    apps.change_app(row, **given)
    return to_answer(row)


@operation(
    "DELETE",
    "/apps/{client_id}",
    scope=ApiScope.TOKENS_WRITE,
    summary="Remove an app",
    tag=TAG,
    status=204,
    has_etag=True,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def delete_app(call: Call[NoQuery, None], client_id: str) -> None:
    """Remove an app, with all its tokens and what users have allowed it."""
    call.administer()
    row = _get(client_id, lock=True)
    call.check_match(to_answer(row))
    apps.remove_app(row)


@operation(
    "POST",
    "/apps/{client_id}/secret",
    scope=ApiScope.TOKENS_WRITE,
    summary="Give an app another secret",
    tag=TAG,
    answer=AppSecret,
    answer_example={"client_id": EXAMPLE["client_id"], "client_secret": SECRET},
)
def create_app_secret(call: Call[NoQuery, None], client_id: str) -> AppSecret:
    """Give an app another secret and return it. The old one is invalid at once.

    So are the tokens that the app got with it for its owner; what users allowed stays. The calling
    token needs all scopes of the app, and must not expire.
    """
    call.administer()
    check_is_lasting(call)
    row = _get(client_id, lock=True)
    check_covers(call, row)
    return AppSecret(client_id=row.id, client_secret=apps.rotate_secret(row))


def to_answer(row: OAuthApp) -> App:
    """Return the app as the API shows it."""
    return App(
        client_id=row.id,
        name=row.name,
        user=row.user.username,
        scopes=[ApiScope(name) for name in row.scopes.split() if name in list(ApiScope)],
        pbx=row.pbx.slug if row.pbx else None,
        redirect_uris=list(row.redirect_uris),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        last_used_address=row.last_used_address,
    )


def _get(client_id: str, *, lock: bool = False) -> OAuthApp:
    query: Any = select(OAuthApp).where(OAuthApp.id == client_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row: OAuthApp | None = db.session.scalar(query) if client_id.isprintable() else None
    if row is None:
        raise not_found("app")
    return row


def _position_of(row: OAuthApp) -> str:
    return f"{row.created_at.isoformat()} {row.id}"


def _read_position(text: str) -> tuple[datetime, str]:
    at, client_id = text.split(" ")
    return datetime.fromisoformat(at), client_id
