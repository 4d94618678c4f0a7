"""Connecting a PBX: what to paste for its make, and whether anything comes."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, render_template, request, url_for
from wtforms import PasswordField

from callevents.db.models import Pbx, to_milliseconds, utc_now
from callevents.enums import Format
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.ingest.recent import list_events_since
from callevents.pbxs import pbxs, tokens
from callevents.pbxs.pbxs import SIGNED
from callevents.vendors.setup import MAKES, PLACEHOLDER, Lines, Make, find_make
from callevents.web import htmx
from callevents.web.dialogs import submitted_form
from callevents.web.forms import BaseForm

bp = Blueprint("connect", __name__, url_prefix="/pbxs/<slug>/connect")

#: So many of the events that came are shown.
SHOWN = 6
LAST_MOMENT = 4_102_444_800


class FormatForm(BaseForm):
    """With what the PBX's maker signs its reports. What is stored is never filled in."""

    format_secret = PasswordField("Secret of the signature")


@bp.get("")
def show(slug: str) -> Any:
    """Show the lines of a make, and listen."""
    return _page(pbxs.get_pbx(slug), _make(slug))


@bp.get("/received")
def hear(slug: str) -> Any:
    """Show what has come; to a poll, answer only if something has changed."""
    pbx = pbxs.get_pbx(slug)
    heard = _hear(pbx)
    if htmx.has_version(heard["version"]):
        return htmx.unchanged()
    page = render_template("connect/_received.html", pbx=pbx, make=_make(slug), **heard)
    return htmx.versioned(page, heard["version"])


@bp.post("/token")
def make_token(slug: str) -> Any:
    """Make a token, and fill it into the lines: in this answer, and never again."""
    pbx = pbxs.get_pbx(slug)
    token = tokens.add_token(pbx)
    db.session.commit()
    return _page(pbx, _make(slug), token)


@bp.post("/format")
def choose_format(slug: str) -> Any:
    """Read the PBX's reports as the make writes them."""
    pbx, make = pbxs.get_pbx(slug), _make(slug)
    form = FormatForm(submitted_form())
    # An empty field keeps what is stored; to check nothing is a choice of its own.
    secret = "" if "unsigned" in request.form else form.format_secret.data or None
    try:
        pbxs.set_format(pbx, make.format, secret)
    except InvalidError as error:
        db.session.rollback()
        form.add_errors(error)
        return _page(pbxs.get_pbx(slug), make, form=form), 422
    db.session.commit()
    text = f"The reports of {pbx.name} are read as: {pbx.format.label}."
    return htmx.redirect_to(url_for(".show", slug=slug, make=make.slug, since=_since_text()), text)


def _page(pbx: Pbx, make: Make, token: str = "", form: FormatForm | None = None) -> str:
    ingest_url = url_for("ingest.take", slug=pbx.slug, _external=True)
    return render_template(
        "connect/show.html",
        pbx=pbx,
        makes=MAKES,
        make=make,
        token=token,
        placeholder=PLACEHOLDER,
        tokens=tokens.list_tokens(pbx),
        max_tokens=tokens.MAX_TOKENS,
        lines=write_lines(make, ingest_url, token or PLACEHOLDER),
        form=form or FormatForm(),
        can_be_signed=make.format in SIGNED,
        Format=Format,
        **_hear(pbx),
    )


def _make(slug: str) -> Make:
    return find_make(request.values.get("make", ""), pbxs.get_pbx(slug).format)


def _hear(pbx: Pbx) -> dict[str, Any]:
    """Return what has come since the page was first looked at."""
    since = datetime.fromtimestamp(int(_since_text()) / 1000, UTC)
    events = list_events_since(pbx, to_milliseconds(since), SHOWN)
    version = events[0].id if events else "nothing"
    return {"events": events, "since": _since_text(), "version": version}


def _since_text() -> str:
    """Return from when on is listened, in milliseconds since 1970: it stays in the address."""
    text = request.values.get("since", "")
    is_time = text.isascii() and text.isdigit() and len(text) <= 13
    if is_time and int(text) < LAST_MOMENT * 1000:
        return text
    return str(round(utc_now().timestamp() * 1000))


def write_lines(make: Make, ingest_url: str, token: str) -> list[tuple[Lines, str]]:
    """Return the make's lines with their texts, filled in."""
    # Grandstream's phones put the scheme before it themselves.
    address = urlsplit(ingest_url)
    bare = ingest_url.removeprefix(f"{address.scheme}://")
    url = bare if make.slug == "grandstream" and address.scheme == "http" else ingest_url
    values = {
        "ingest_url": ingest_url,
        "token": token,
        "phone_url": f"{url}?token={token}",
        "variables": make.variables,
    }
    return [
        (lines, render_template(f"connect/lines/{lines.template}", **values).strip())
        for lines in make.lines
    ]
