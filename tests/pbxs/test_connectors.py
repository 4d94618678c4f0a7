"""Connectors: validation, encryption, and secrets that stay with their host."""

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
    """A secret that is not entered again is kept; the database has it encrypted only."""
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
    """A new host or a connection without TLS requires the secret again."""
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
        ("domain", {"domain": "tenant.example.com"}),
        ("domain", {"domain": "101@tenant", "kind": ConnectorKind.FREESWITCH}),
    ],
)
def test_wrong_values_are_refused(pbx: Pbx, field: str, values: dict[str, object]) -> None:
    """Each error names its field; line breaks are invalid, as they could inject an AMI action."""
    begin_write()
    with pytest.raises(InvalidError) as caught:
        connectors.set_connector(pbx, replace(ASTERISK, **values))
    assert list(caught.value.errors) == [field]
    assert connectors.find_connector(pbx) is None


@pytest.mark.parametrize("host", ["10.0.0.5", "fe80::1", "pbx", "pbx-1.example.com"])
def test_hosts(pbx: Pbx, host: str) -> None:
    """Host names, IPv4 and IPv6 addresses are valid."""
    begin_write()
    assert connectors.set_connector(pbx, replace(ASTERISK, host=f" {host} ")).host == host


def test_removing(pbx: Pbx) -> None:
    """A connector can be removed once; the second time raises an error."""
    begin_write()
    connectors.set_connector(pbx, ASTERISK)
    connectors.remove_connector(pbx)
    with pytest.raises(NotFoundError, match="Head office has no connector"):
        connectors.remove_connector(pbx)


def test_secrets_are_reencrypted(pbx: Pbx) -> None:
    """Key rotation re-encrypts connector secrets and names those that no key decrypts."""
    begin_write()
    connector = connectors.set_connector(pbx, ASTERISK)
    before = connector.secret
    assert key_rotation.reencrypt_connectors() == key_rotation.RotationResult(1, [], 0)
    assert connector.secret != before
    assert cipher.bound.decrypt(connector.secret) == "geheim"
    connector.secret = "nonsense"
    assert key_rotation.reencrypt_connectors().unreadable == ["the connector of head-office"]
