"""A PBX's connector on its page: create, change, watch, remove; its secret is never shown."""

from datetime import timedelta

import pytest

from callevents.db.models import Connector, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import ConnectorState
from callevents.extensions import cipher, db
from callevents.pbxs import connectors
from tests.web.conftest import Visitor

BASE = "/pbxs/head-office"
EDIT = f"{BASE}/connector/edit"
HTMX = {"HX-Request": "true"}
FIELDS = {
    "kind": "asterisk",
    "host": "pbx.example.com",
    "port": "",
    "username": "callevents",
    "secret": "geheim",
    "enabled": "y",
}


def stored(pbx: Pbx) -> Connector:
    """Return the connector as it is stored now."""
    db.session.rollback()
    return connectors.get_connector(pbx)


def change(pbx: Pbx, **values: object) -> None:
    """Store values as a listener does."""
    begin_write()
    connector = connectors.get_connector(pbx)
    for name, value in values.items():
        setattr(connector, name, value)
    db.session.commit()


@pytest.fixture
def connector(admin: Visitor, pbx: Pbx) -> Connector:
    """A connector that an admin has set."""
    admin.get(EDIT)
    assert admin.post(EDIT, **FIELDS).status_code == 303
    return stored(pbx)


def test_it_is_set_by_a_form(admin: Visitor, pbx: Pbx, connector: Connector) -> None:
    """The form works as a page; an empty port is the vendor's default; secrets are encrypted."""
    assert (connector.host, connector.port, connector.uses_tls) == ("pbx.example.com", 5038, False)
    assert cipher.bound.decrypt(connector.secret) == "geheim"
    page = admin.get(BASE).text
    assert "Asterisk (AMI) at <code>pbx.example.com:5038</code>" in page
    assert "no listener running" in page
    for path in (BASE, EDIT, f"{BASE}/connector/remove"):
        assert "geheim" not in admin.get(path).text
        assert connector.secret not in admin.get(path).text


def test_it_is_changed_without_its_secret(admin: Visitor, pbx: Pbx, connector: Connector) -> None:
    """An empty secret keeps the stored one, unless the address changes."""
    kept = FIELDS | {"secret": "", "username": "other", "enabled": ""}
    assert admin.post(EDIT, **kept).status_code == 303
    connector = stored(pbx)
    assert (connector.username, connector.enabled) == ("other", False)
    assert cipher.bound.decrypt(connector.secret) == "geheim"
    answer = admin.post(EDIT, **kept | {"host": "evil.example.com"})
    assert answer.status_code == 422
    assert "It is required again when the address changes" in answer.text
    assert stored(pbx).host == "pbx.example.com"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("host", "", "Enter the PBX&#39;s host name or address."),
        ("port", "50x", "The port is a whole number from 1 to 65535."),
        ("port", "70000", "The port is a whole number from 1 to 65535."),
        ("kind", "other", "Choose Asterisk or FreeSWITCH."),
        ("username", "", "Enter the user&#39;s name in manager.conf."),
        ("extension_pattern", "(", "Invalid regular expression"),
        ("domain", "tenant.example.com", "Only FreeSWITCH has domains."),
    ],
)
def test_invalid_fields_are_reported(
    admin: Visitor, pbx: Pbx, field: str, value: str, sentence: str
) -> None:
    """Errors are next to their fields; typed values stay, except the secret."""
    admin.get(EDIT)
    answer = admin.post(EDIT, **FIELDS | {field: value})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "geheim" not in answer.text
    db.session.rollback()
    assert connectors.find_connector(pbx) is None


def test_a_domain_and_unseen_legs_are_shown(admin: Visitor, pbx: Pbx, connector: Connector) -> None:
    """The tenant of a FreeSWITCH, and the calls that nobody saw."""
    assert "unseen" not in admin.get(BASE).text
    admin.get(EDIT)
    admin.post(EDIT, **FIELDS | {"kind": "freeswitch", "domain": "a.example.com"})
    change(pbx, unseen_legs=3)
    page = admin.get(BASE).text
    assert "<code>a.example.com</code>" in page
    assert "up to 3 legs unseen while disconnected" in page


def test_its_status_is_shown(
    admin: Visitor, viewer: Visitor, pbx: Pbx, connector: Connector
) -> None:
    """Connected, trying, failing, disabled: in words, with the counts and the last error."""
    now = utc_now()
    leads = {"leader_until": now + timedelta(minutes=1), "leader_name": "calls-1, process 7"}
    change(pbx, state=ConnectorState.CONNECTED, connected_since=now, messages=1200, **leads)
    page = viewer.get(BASE).text
    assert "connected" in page
    assert "1,200 messages" in page
    assert "calls-1, process 7" in page
    assert "edit-connector" not in page
    change(pbx, state=ConnectorState.PAUSING, last_error="It <b>said</b> no.", last_error_at=now)
    page = admin.get(BASE).text
    assert "not connected" in page
    assert "It &lt;b&gt;said&lt;/b&gt; no." in page
    change(pbx, enabled=False)
    assert "disabled" in admin.get(BASE).text


def test_a_poll_is_answered_when_something_has_changed(
    admin: Visitor, pbx: Pbx, connector: Connector
) -> None:
    """The fragment equals the part of the page; the same version gets 304."""
    path = f"{BASE}/connector"
    first = admin.get(path, headers=HTMX)
    assert first.text.strip() in admin.get(BASE).text
    version = first.headers["HX-PTag"]
    assert admin.get(path, headers={**HTMX, "HX-PTag": version}).status_code == 304
    change(pbx, messages=1)
    assert admin.get(path, headers={**HTMX, "HX-PTag": version}).status_code == 200
    assert admin.get(path).headers["Location"] == BASE


def test_it_is_removed(admin: Visitor, pbx: Pbx, connector: Connector) -> None:
    """After a confirmation; then the page offers to set one up."""
    path = f"{BASE}/connector/remove"
    assert "deletes the secret" in admin.get(path).text
    assert admin.post(path).status_code == 303
    db.session.rollback()
    assert connectors.find_connector(pbx) is None
    assert "Set up" in admin.get(BASE).text
    assert admin.get(path).status_code == 404


@pytest.mark.parametrize("path", [EDIT, f"{BASE}/connector/remove"])
def test_viewers_and_strangers_change_nothing(
    viewer: Visitor, stranger: Visitor, pbx: Pbx, path: str
) -> None:
    """Viewers get 403, strangers have to sign in."""
    assert viewer.get(path).status_code == 403
    assert viewer.post(path, **FIELDS).status_code == 403
    assert stranger.get(path).status_code == 303
    db.session.rollback()
    assert connectors.find_connector(pbx) is None
