"""PBXs: list, add, rename; tokens; how to report; test events."""

from flask import Blueprint, render_template, request, session, url_for
from flask_login import current_user

from callevents import ingest, jobs, pbxs
from callevents.directory import check_number, count_extensions, list_extensions
from callevents.enums import EventType
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.forms import EmptyForm, NameForm, TestEventForm
from callevents.web import hx
from callevents.web.access import admins_only
from callevents.web.dialogs import edit, render_dialog
from callevents.web.hx import Answer

bp = Blueprint("pbxs", __name__, url_prefix="/pbxs")

#: Where the session keeps a new token until the next page shows it, once.
NEW_TOKEN = "new_token"  # noqa: S105  # a key of the session


@bp.get("")
def index() -> str:
    """List the PBXs."""
    known = pbxs.list_pbxs()
    return render_template(
        "pbxs/index.html",
        pbxs=known,
        last_events=pbxs.last_event_times(known),
        counts=count_extensions(known),
    )


@bp.route("/new", methods=["GET", "POST"])
@admins_only
def add() -> Answer:
    """Show the form for a new PBX; add it."""
    form = NameForm()

    def save() -> Answer:
        pbx, token = pbxs.add_pbx(form.name.data or "")
        db.session.commit()
        session[NEW_TOKEN] = [pbx.slug, token]
        return hx.go(f"{pbx.name} is added.", url_for("pbxs.show", slug=pbx.slug))

    return edit(form, save, "pbxs/add.html")


@bp.get("/<slug>")
def show(slug: str) -> str:
    """Show how the PBX reports, and its tokens; a new token this once."""
    pbx = pbxs.get_pbx(slug)
    is_admin = current_user.is_admin
    new_slug, new_token = session.get(NEW_TOKEN, ("", "")) if is_admin else ("", "")
    if new_slug == slug:
        session.pop(NEW_TOKEN)
    return render_template(
        "pbxs/show.html",
        pbx=pbx,
        tokens=pbxs.list_tokens(pbx),
        new_token=new_token if new_slug == slug else "",
        last_event=pbxs.last_event_times([pbx]).get(pbx.id),
        ingest_url=url_for("ingest.take", slug=slug, _external=True),
        form=EmptyForm(),
    )


@bp.route("/<slug>/name", methods=["GET", "POST"])
@admins_only
def rename(slug: str) -> Answer:
    """Show the form for another name; rename the PBX."""
    pbx = pbxs.get_pbx(slug)
    form = NameForm(obj=pbx)

    def save() -> Answer:
        pbxs.rename_pbx(pbx, form.name.data or "")
        db.session.commit()
        return hx.go(f"It is named {pbx.name} now.", url_for("pbxs.show", slug=slug))

    return edit(form, save, "pbxs/rename.html", pbx=pbx)


@bp.post("/<slug>/tokens")
@admins_only
def renew_token(slug: str) -> Answer:
    """Make a second token, which replaces the first once that is revoked."""
    token = pbxs.add_token(pbxs.get_pbx(slug))
    db.session.commit()
    session[NEW_TOKEN] = [slug, token]
    return hx.go("A new token is made.", url_for("pbxs.show", slug=slug))


@bp.route("/<slug>/tokens/<uuid:token_id>/revoke", methods=["GET", "POST"])
@admins_only
def revoke_token(slug: str, token_id: object) -> Answer:
    """Ask whether to revoke the token; revoke it."""
    pbx = pbxs.get_pbx(slug)
    token = pbxs.get_token(pbx, str(token_id))
    form = EmptyForm()
    if not form.validate_on_submit():
        is_last = len(pbxs.list_tokens(pbx)) == 1
        return render_dialog("pbxs/revoke.html", pbx=pbx, token=token, form=form, is_last=is_last)
    pbxs.revoke_token(pbx, token.id)
    db.session.commit()
    return hx.go("The token is revoked.", url_for("pbxs.show", slug=slug))


@bp.route("/<slug>/test", methods=["GET", "POST"])
@admins_only
def test(slug: str) -> Answer:
    """Show the form for a test event; report an example call as a PBX would."""
    pbx = pbxs.get_pbx(slug)
    form = TestEventForm(data={"event": "dial-in", **request.args.to_dict()})

    def save() -> Answer:
        number = _check_extension(form.extension.data or "")
        event_type = EventType.from_slug(form.event.data)
        [accepted] = ingest.accept(pbx, [ingest.example_report(event_type, number)])
        db.session.commit()
        jobs.wake()
        return hx.go(
            _test_message(accepted.deliveries), url_for("deliveries.index", slug=slug)
        )

    numbers = [extension.number for extension in list_extensions(pbx, limit=200)]
    return edit(form, save, "pbxs/test.html", pbx=pbx, numbers=numbers)


def _check_extension(number: str) -> str:
    try:
        return check_number(number)
    except InvalidError as error:
        raise InvalidError({"extension": error.errors["number"]}) from None


def _test_message(deliveries: int) -> str:
    if not deliveries:
        return "The test event is accepted, but no active request applies to it."
    requests = "1 request" if deliveries == 1 else f"{deliveries} requests"
    return f"The test event is accepted and makes {requests}."
