"""Client certificates: key and certificate must fit, and their end is announced."""

from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from callevents.errors import InvalidError
from callevents.security.client_certificate import check_client_certificate, read_certificate

NOW = datetime.now(UTC)


def issue(name: str = "call-events", not_after: datetime | None = None) -> tuple[str, str]:
    """Return a certificate and its key."""
    issued = trustme.CA().issue_cert(f"{name}@example.com", common_name=name, not_after=not_after)
    pem = issued.cert_chain_pems[0].bytes().decode()
    return pem, issued.private_key_pem.bytes().decode()


def problem_of(certificate: str, key: str, now: datetime = NOW) -> dict[str, list[str]]:
    """Return the errors about the pair."""
    with pytest.raises(InvalidError) as raised:
        check_client_certificate(certificate, key, now)
    return raised.value.errors


def test_pair_that_fits() -> None:
    """Certificate and key are returned with one line break at their end."""
    certificate, key = issue()
    checked = check_client_certificate(f"\n{certificate}\n\n", f"  {key}", NOW)
    assert checked.certificate == certificate.strip() + "\n"
    assert checked.key == key.strip() + "\n"
    assert "PRIVATE" not in repr(checked)


def test_key_of_another_certificate() -> None:
    """A key that does not belong to the certificate is refused."""
    (certificate, _), (_, key) = issue(), issue()
    assert list(problem_of(certificate, key)) == ["client_key"]
    other = ec.generate_private_key(ec.SECP256R1())
    text = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert list(problem_of(certificate, text)) == ["client_key"], "of another kind too"


def test_key_with_a_passphrase() -> None:
    """The message says how to remove it."""
    certificate, key = issue()
    locked = load_pem_private_key(key.encode(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    [[message]] = problem_of(certificate, locked.decode()).values()
    assert "passphrase" in message
    assert "openssl pkey" in message


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "é" * 9]
)
def test_texts_that_are_neither(text: str) -> None:
    """Anything else is refused for either field."""
    certificate, key = issue()
    assert list(problem_of(text, key)) == ["client_certificate"]
    assert list(problem_of(certificate, text)) == ["client_key"]


def test_long_texts() -> None:
    """Texts that are longer than any certificate are not parsed."""
    certificate, key = issue()
    assert "at most" in problem_of(certificate * 100, key)["client_certificate"][0]


def test_end_of_validity() -> None:
    """A certificate that has expired is refused; one that ends soon is announced."""
    certificate, key = issue(not_after=NOW + timedelta(days=40))
    facts = read_certificate(certificate)
    assert "call-events" in facts.subject
    assert facts.warning(NOW) == ""
    assert "expires on" in facts.warning(NOW + timedelta(days=20))
    assert "expired on" in facts.warning(NOW + timedelta(days=41))
    assert "not valid before" in facts.warning(facts.valid_from - timedelta(days=1))
    assert (
        "expired on"
        in problem_of(certificate, key, NOW + timedelta(days=41))["client_certificate"][0]
    )
