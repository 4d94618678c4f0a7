"""Erase what is stored of calls with a number: count first, then erase."""

import threading
import time
from typing import Any

from flask import Blueprint, request, url_for
from wtforms import StringField

from callevents.audit.targets import of_pbx
from callevents.db.models import Pbx
from callevents.db.session import read_connection
from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.operations import erasure
from callevents.operations.erasure import Erased
from callevents.operations.kept_numbers import find_kept
from callevents.operations.number_search import Number
from callevents.pbxs import pbxs
from callevents.web import dialogs
from callevents.web.access import no_write_transaction, requires
from callevents.web.forms import BaseForm

bp = Blueprint("erasure", __name__, url_prefix="/pbxs/<slug>/erase")

#: Time of one HTTP request, before it shows the progress.
MAX_SECONDS = 5.0


class NumberForm(BaseForm):
    """The number."""

    number = StringField("Number")


@bp.route("", methods=["GET", "POST"])
@requires(Right.MANAGE)
@no_write_transaction
def erase(slug: str) -> Any:
    """Ask for the number, show what would be erased, and erase it once that is confirmed."""
    pbx = pbxs.get_pbx(slug)
    form = NumberForm(dialogs.submitted_form())
    if request.method == "GET":
        return _ask(pbx, form)
    try:
        number = Number.of(form.number.data or "")
    except InvalidError as error:
        form.add_errors(error)
        return _ask(pbx, form, status=422)
    if "confirmed" not in request.form:
        found, after, kept = _run(pbx, number, "", dry_run=True)
        return _ask(pbx, form, found=found, is_more=bool(after), kept=kept)
    erased, after, kept = _run(pbx, number, request.form.get("after", ""), dry_run=False)
    if after or kept:
        return _ask(pbx, form, erased=erased, after=after, kept=kept)
    text = f"Erased {erased.describe()}."
    return dialogs.finish(text, url_for("pbxs.show", slug=slug), "pbxs-changed")


def _ask(pbx: Pbx, form: NumberForm, *, status: int = 200, **context: object) -> Any:
    return dialogs.show(
        "erasure/erase.html", status=status, pbx=pbx, form=form, none_found=Erased(), **context
    )


def _run(pbx: Pbx, number: Number, after: str, *, dry_run: bool) -> tuple[Erased, str, list[str]]:
    """Run for MAX_SECONDS; return what was found or erased, where to continue, what is kept."""
    target, began = of_pbx(pbx), time.monotonic()
    erased, left = Erased(), after
    # The batches have transactions of their own.
    db.session.rollback()
    for done, reached in erasure.erase(
        db.engine, number, threading.Event(), target=target, after=after, dry_run=dry_run
    ):
        erased, left = erased + done, reached
        if time.monotonic() - began >= MAX_SECONDS:
            break
    with read_connection(db.engine) as connection:
        return erased, left, find_kept(connection, number, target.pbx_id)
