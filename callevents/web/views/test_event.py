"""'Send a test event': a sample event, processed as if the PBX had reported it."""

from typing import Any

from flask import Blueprint, request, url_for

from callevents.db.models import Pbx
from callevents.delivery.log.queries import list_deliveries
from callevents.enums import EventType, Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.ingest.accept import Accepted
from callevents.ingest.events import check_event
from callevents.ingest.example import send_example
from callevents.jobs.waker import wake
from callevents.pbxs import extensions as pbxs_extensions
from callevents.pbxs import pbxs
from callevents.web import dialogs, htmx
from callevents.web.access import may, requires_somewhere, scope_of
from callevents.web.dialogs import submitted_form
from callevents.web.forms import TestEventForm
from callevents.web.views.deliveries import version_of

bp = Blueprint("test_event", __name__, url_prefix="/pbxs/<slug>/test-event")

#: Extensions offered in the field; others can be typed.
MAX_OFFERED_EXTENSIONS = 100


@bp.route("", methods=["GET", "POST"])
@requires_somewhere(Right.EDIT)
def send(slug: str) -> Any:
    """Show the form; accept the test event, as if the PBX had reported it."""
    pbx = pbxs.get_pbx(slug)
    form = TestEventForm(submitted_form(), data=request.args.to_dict())
    if request.method == "POST" and form.validate():
        try:
            accepted = _accept(pbx, form)
        except InvalidError as error:
            form.add_errors(error)
        else:
            htmx.trigger("events-changed")
            return dialogs.load(url_for(".show", slug=slug, event_id=accepted.id))
    extensions = pbxs_extensions.list_extensions(
        pbx, limit=MAX_OFFERED_EXTENSIONS, scope=scope_of(Right.EDIT)
    )
    return dialogs.show_form("test_event/send.html", form, pbx=pbx, extensions=extensions)


@bp.get("/<id:event_id>")
@requires_somewhere(Right.EDIT)
def show(slug: str, event_id: str) -> Any:
    """Show the deliveries of a test event of this PBX, live."""
    pbx = pbxs.get_pbx(slug)
    scope = scope_of(Right.EDIT)
    check_event(pbx, event_id, scope)
    deliveries = list_deliveries(
        pbx=pbx, call_event_id=event_id, of_deliveries=scope.of_deliveries()
    )
    version = version_of(deliveries)
    if htmx.has_version(version):
        return htmx.unchanged()
    return dialogs.show(
        "test_event/show.html",
        pbx=pbx,
        deliveries=deliveries,
        version=version,
        event_id=event_id,
    )


def _accept(pbx: Pbx, form: TestEventForm) -> Accepted:
    """Accept the test event and wake the workers; raises InvalidError about `extension`."""
    try:
        number = pbxs_extensions.check_number(form.extension.data or "")
    except InvalidError as error:
        raise InvalidError({"extension": error.errors["number"]}) from None
    if not may("edit", pbx):
        _check_is_own(pbx, number)
    event_type = EventType.from_slug(form.event.data)
    accepted = send_example(pbx, event_type, number)
    db.session.commit()
    wake()
    return accepted


def _check_is_own(pbx: Pbx, number: str) -> None:
    """Raise InvalidError about `extension` unless it is one of the user's own."""
    own = pbxs_extensions.list_extensions(pbx, scope=scope_of(Right.EDIT))
    if number not in [extension.number for extension in own]:
        raise InvalidError.of("extension", "Choose one of your own extensions.")
