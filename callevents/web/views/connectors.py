"""The connector of a PBX: show its status, set it, remove it."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from wtforms import BooleanField, PasswordField, RadioField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.db.models import Connector, Pbx
from callevents.enums import ConnectorKind, ConnectorStatus, Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs import connectors, pbxs, suggestions
from callevents.pbxs.connectors import ConnectorConfig
from callevents.web import dialogs, htmx
from callevents.web.access import requires
from callevents.web.dialogs import submitted_form
from callevents.web.forms import BaseForm

bp = Blueprint("connectors", __name__, url_prefix="/pbxs/<slug>/connector")

CONNECTOR_CHANGED = "connector-changed"


class ConnectorForm(BaseForm):
    """The settings of a connector. An empty secret keeps the stored one, which is never shown."""

    kind = RadioField(
        "PBX",
        choices=[SelectChoice(kind.value, kind.label) for kind in ConnectorKind],
        default=ConnectorKind.ASTERISK.value,
    )
    host = StringField("Host")
    port = StringField("Port")
    username = StringField("User")
    secret = PasswordField("Secret")
    uses_tls = BooleanField("Use TLS")
    enabled = BooleanField("Listen to this PBX", default=True)
    domain = StringField("Domain")
    extension_pattern = StringField("Extension pattern")

    def access(self) -> ConnectorConfig:
        """Return what was entered; raises InvalidError about the port and the kind."""
        try:
            kind = ConnectorKind(self.kind.data)
        except ValueError:
            raise InvalidError.of("kind", "Choose Asterisk or FreeSWITCH.") from None
        port = (self.port.data or "").strip() or str(kind.port)
        if not (port.isascii() and port.isdigit() and len(port) <= 5):
            raise InvalidError.of("port", "The port is a whole number from 1 to 65535.")
        return ConnectorConfig(
            kind=kind,
            host=self.host.data or "",
            port=int(port),
            username=self.username.data or "",
            secret=self.secret.data or "",
            uses_tls=bool(self.uses_tls.data),
            enabled=bool(self.enabled.data),
            domain=self.domain.data or "",
            extension_pattern=self.extension_pattern.data or "",
        )


@dataclass(frozen=True)
class Status:
    """The displayed status of a connector."""

    text: str
    #: `good`, `bad` or empty.
    kind: str
    icon: str


STATUSES = {
    ConnectorStatus.DISABLED: Status("disabled", "", "pause-circle"),
    ConnectorStatus.NO_LISTENER: Status("no listener running", "bad", "exclamation-triangle-fill"),
    ConnectorStatus.CONNECTED: Status("connected", "good", "check-circle-fill"),
    ConnectorStatus.CONNECTING: Status("connecting", "", "hourglass-split"),
    ConnectorStatus.NOT_CONNECTED: Status("not connected", "bad", "x-circle-fill"),
}


def load_status(pbx: Pbx) -> dict[str, Any]:
    """Return the template context of the connector's section."""
    connector = connectors.find_connector(pbx)
    status = STATUSES[connectors.status_of(connector)] if connector else None
    suggestion_count = suggestions.count_suggestions(pbx)
    version = _digest(connector, status, suggestion_count)
    return {
        "connector": connector,
        "status": status,
        "suggestion_count": suggestion_count,
        "version": version,
    }


@bp.get("")
@requires(Right.SEE_PBX)
def show(slug: str) -> Any:
    """Show the connector's section of the PBX page, if it has changed."""
    pbx = pbxs.get_pbx(slug)
    if not htmx.is_htmx():
        return redirect(url_for("pbxs.show", slug=slug), code=303)
    view = load_status(pbx)
    if htmx.has_version(view["version"]):
        return htmx.unchanged()
    page = render_template("connectors/_connector.html", pbx=pbx, **view)
    return htmx.versioned(page, view["version"])


@bp.route("/edit", methods=["GET", "POST"])
@requires(Right.MANAGE)
def edit(slug: str) -> Any:
    """Show the form; set the connector."""
    pbx = pbxs.get_pbx(slug)
    connector = connectors.find_connector(pbx)
    form = ConnectorForm(submitted_form(), obj=connector)
    if request.method == "POST":
        try:
            connectors.set_connector(pbx, form.access())
        except InvalidError as error:
            form.add_errors(error)
        else:
            db.session.commit()
            text = f"The connector of {pbx.name} is saved."
            return dialogs.finish(text, url_for("pbxs.show", slug=slug), CONNECTOR_CHANGED)
    return dialogs.show_form("connectors/edit.html", form, pbx=pbx, has_secret=bool(connector))


@bp.route("/remove", methods=["GET", "POST"])
@requires(Right.MANAGE)
def remove(slug: str) -> Any:
    """Confirm; remove the connector."""
    pbx = pbxs.get_pbx(slug)
    connector = connectors.get_connector(pbx)
    if request.method == "GET":
        return dialogs.show("connectors/remove.html", pbx=pbx, connector=connector)
    connectors.remove_connector(pbx)
    db.session.commit()
    text = f"The connector of {pbx.name} is removed."
    return dialogs.finish(text, url_for("pbxs.show", slug=slug), CONNECTOR_CHANGED)


@bp.post("/list")
@requires(Right.EDIT_EXTENSIONS)
def request_list(slug: str) -> Any:
    """Have the PBX asked for its extensions."""
    pbx = pbxs.get_pbx(slug)
    connectors.request_list(pbx)
    db.session.commit()
    return dialogs.finish(
        f"Asking {pbx.name} for its extensions.",
        url_for("pbxs.show", slug=slug),
        CONNECTOR_CHANGED,
    )


def _digest(connector: Connector | None, status: Status | None, suggestion_count: int) -> str:
    """Return a digest of all values that are shown and may change."""
    names = ("changed_at", "connected_since", "last_message_at", "messages", "events", "skipped")
    more = ("dropped_legs", "unseen_legs", "waiting", "leader_name", "last_error", "last_error_at")
    listed = ("list_wanted_at", "listed_at", "listed", "list_notice")
    facts = [getattr(connector, name, None) for name in (*names, *more, *listed)]
    return sha256(repr((status, suggestion_count, facts)).encode()).hexdigest()[:24]
