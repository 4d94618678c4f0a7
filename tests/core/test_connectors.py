"""Connectors as an admin sets them: what is checked, kept secret, and never sent elsewhere."""

from dataclasses import replace

import pytest

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import ConnectorKind
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import cipher, db
from callevents.operations import key_rotation
from callevents.pbxs import connectors
from callevents.pbxs.connectors import ConnectorConfig

ASTERISK = ConnectorConfig(
    kind=ConnectorKind.ASTERISK,
    host="pbx.example.com",
    port=5038,
    username="callevents",
    secret="geheim",
)


def test_the_secret_is_stored_encrypted_and_kept(pbx: Pbx) -> None:
    """What is not entered again stays; nothing readable is in the database."""
    begin_write()
    connectors.set_connector(pbx, ASTERISK)
    changed = replace(ASTERISK, secret="", username="other", extension_pattern=r"\d{3}")
    connector = connectors.set_connector(pbx, changed)
    db.session.commit()
    assert connector.secret != "geheim"
    assert cipher.bound.decrypt(connector.secret) == "geheim"
    assert (connector.username, connector.extension_pattern) == ("other", r"\d{3}")


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"host": "evil.example.com"},
        {"port": 5039},
        {"kind": ConnectorKind.FREESWITCH},
        {"uses_tls": False},
    ],
)
def test_a_kept_secret_goes_nowhere_else(pbx: Pbx, elsewhere: dict[str, object]) -> None:
    """Who changes where the secret is sent, or sends it in the open, has to enter it again."""
    begin_write()
    tls = replace(ASTERISK, uses_tls=True)
    connectors.set_connector(pbx, tls)
    with pytest.raises(InvalidError) as caught:
        connectors.set_connector(pbx, replace(tls, secret="", **elsewhere))
    assert list(caught.value.errors) == ["secret"]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("host", {"host": " "}),
        ("host", {"host": "http://pbx/"}),
        ("host", {"host": "a" * 256}),
        ("port", {"port": 0}),
        ("port", {"port": 65536}),
        ("username", {"username": ""}),
        ("username", {"username": "a\r\nAction: Originate"}),
        ("secret", {"secret": ""}),
        ("secret", {"secret": "a\nb"}),
        ("extension_pattern", {"extension_pattern": "(1"}),
    ],
)
def test_wrong_values_are_refused(pbx: Pbx, field: str, values: dict[str, object]) -> None:
    """Each is named by its field; a line break could be another action for the PBX."""
    begin_write()
    with pytest.raises(InvalidError) as caught:
        connectors.set_connector(pbx, replace(ASTERISK, **values))
    assert list(caught.value.errors) == [field]
    assert connectors.find_connector(pbx) is None


@pytest.mark.parametrize("host", ["10.0.0.5", "fe80::1", "pbx", "pbx-1.example.com"])
def test_hosts(pbx: Pbx, host: str) -> None:
    """Names and addresses of both kinds are taken."""
    begin_write()
    assert connectors.set_connector(pbx, replace(ASTERISK, host=f" {host} ")).host == host


def test_removing(pbx: Pbx) -> None:
    """A removed connector is gone; there is nothing to remove twice."""
    begin_write()
    connectors.set_connector(pbx, ASTERISK)
    connectors.remove_connector(pbx)
    with pytest.raises(NotFoundError, match="Head office has no connector"):
        connectors.remove_connector(pbx)


def test_secrets_are_encrypted_anew(pbx: Pbx) -> None:
    """Changing keys takes the connectors' secrets with it, and names what no key decrypts."""
    begin_write()
    connector = connectors.set_connector(pbx, ASTERISK)
    before = connector.secret
    assert key_rotation.renew_connectors() == key_rotation.Renewed(1, [], 0)
    assert connector.secret != before
    assert cipher.bound.decrypt(connector.secret) == "geheim"
    connector.secret = "nonsense"
    assert key_rotation.renew_connectors().unreadable == ["the connector of head-office"]
