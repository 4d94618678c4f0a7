"""The 'Connect' page of a PBX: snippets to copy for its type, and the first events received."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, render_template, request, url_for
from wtforms import PasswordField

from callevents.db.models import Pbx, to_milliseconds, utc_now
from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.ingest.recent import list_events_since
from callevents.pbxs import pbxs, tokens
from callevents.vendors.registry import find_guide, list_guides
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor
from callevents.web import htmx
from callevents.web.access import requires
from callevents.web.dialogs import submitted_form
from callevents.web.forms import BaseForm
from callevents.web.public_url import find_kind, ingest_url

bp = Blueprint("connect", __name__, url_prefix="/pbxs/<slug>/connect")

MAX_EVENTS = 6
#: 2100-01-01.
MAX_SINCE_SECONDS = 4_102_444_800
#: In the snippets until there is a token to fill in.
TOKEN_PLACEHOLDER = "TOKEN"  # noqa: S105  # a placeholder, no secret


class FormatForm(BaseForm):
    """The secret to verify signatures with. The stored secret is never filled in."""

    format_secret = PasswordField("Signature secret")


@bp.get("")
@requires(Right.SEE_PBX)
def show(slug: str) -> Any:
    """Show the setup guide, and wait for events."""
    return _page(pbxs.get_pbx(slug), *_find_guide(slug))


@bp.get("/events")
@requires(Right.SEE_PBX)
def list_events(slug: str) -> Any:
    """Show the events received; reply to a poll with 304 if there is no new one."""
    pbx = pbxs.get_pbx(slug)
    received = _list_received(pbx)
    if htmx.has_version(received["version"]):
        return htmx.unchanged()
    _, guide = _find_guide(slug)
    page = render_template("connect/_events.html", pbx=pbx, guide=guide, **received)
    return htmx.versioned(page, received["version"])


@bp.post("/token")
@requires(Right.MANAGE)
def create_token(slug: str) -> Any:
    """Create a token and fill it into the snippets; only this response shows it."""
    pbx = pbxs.get_pbx(slug)
    token = tokens.add_token(pbx)
    db.session.commit()
    return _page(pbx, *_find_guide(slug), token)


@bp.post("/filled")
@requires(Right.MANAGE)
def fill_in(slug: str) -> Any:
    """Fill a valid token of the PBX into the snippets: one that was shown a moment ago.

    It comes in the body, so it is in no URL and no log.
    """
    token = request.form.get("token", "")
    is_valid = tokens.look_up(slug, token).token_id is not None
    return _page(pbxs.get_pbx(slug), *_find_guide(slug), token if is_valid else "")


@bp.post("/format")
@requires(Right.MANAGE)
def set_format(slug: str) -> Any:
    """Set the PBX's report format to the one of the guide."""
    pbx = pbxs.get_pbx(slug)
    vendor, guide = _find_guide(slug)
    form = FormatForm(submitted_form())
    # An empty field keeps the stored secret; the button 'Disable signature check' removes it.
    secret = "" if "unsigned" in request.form else form.format_secret.data or None
    try:
        pbxs.set_format(pbx, vendor.format, secret)
    except InvalidError as error:
        db.session.rollback()
        form.add_errors(error)
        return _page(pbxs.get_pbx(slug), vendor, guide, form=form), 422
    db.session.commit()
    text = f"The report format of {pbx.name} is now: {pbx.format.label}."
    return htmx.redirect_to(url_for(".show", slug=slug, type=guide.slug, since=_since_text()), text)


def _page(
    pbx: Pbx, vendor: Vendor, guide: SetupGuide, token: str = "", form: FormatForm | None = None
) -> str:
    url = ingest_url(pbx)
    snippets = fill_snippets(guide, url, token or TOKEN_PLACEHOLDER)
    return render_template(
        "connect/show.html",
        pbx=pbx,
        guides=[guide for _, guide in list_guides()],
        guide=guide,
        format=vendor.format,
        has_signature=vendor.signature is not None,
        token=token,
        placeholder=TOKEN_PLACEHOLDER,
        tokens=tokens.list_tokens(pbx),
        max_tokens=tokens.MAX_TOKENS,
        of_connector=[one for one in snippets if one[0].connector],
        of_reports=[one for one in snippets if not one[0].connector],
        form=form or FormatForm(),
        address=find_kind(url),
        **_list_received(pbx),
    )


def _find_guide(slug: str) -> tuple[Vendor, SetupGuide]:
    # `make` is the former name of `type`; bookmarks still have it.
    guide_slug = request.values.get("type") or request.values.get("make", "")
    return find_guide(guide_slug, pbxs.get_pbx(slug).format)


def _list_received(pbx: Pbx) -> dict[str, Any]:
    """Return the events received since the page was first opened."""
    since = datetime.fromtimestamp(int(_since_text()) / 1000, UTC)
    events = list_events_since(pbx, to_milliseconds(since), MAX_EVENTS)
    version = events[0].id if events else "nothing"
    had_events = not events and pbx.id in pbxs.last_event_times([pbx])
    return {
        "events": events,
        "had_events": had_events,
        "since": _since_text(),
        "version": version,
    }


def _since_text() -> str:
    """Return when the page was first opened, in milliseconds since 1970; it stays in the URL."""
    text = request.values.get("since", "")
    is_time = text.isascii() and text.isdigit() and len(text) <= 13
    if is_time and int(text) < MAX_SINCE_SECONDS * 1000:
        return text
    return str(round(utc_now().timestamp() * 1000))


def fill_snippets(guide: SetupGuide, url: str, token: str) -> list[tuple[Snippet, str]]:
    """Return the guide's snippets and their texts, with URL and token filled in."""
    bare = url.removeprefix("http://") if guide.adds_http_scheme else url
    values = {
        "ingest_url": url,
        "token": token,
        "phone_url": f"{bare}?token={token}",
        "variables": guide.variables,
    }
    return [
        (snippet, render_template(f"connect/snippets/{snippet.template}", **values).strip())
        for snippet in guide.snippets
    ]
