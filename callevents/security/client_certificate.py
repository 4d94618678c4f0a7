"""Certificates with which we authenticate to receivers: mutual TLS."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from callevents.errors import InvalidError

#: With a chain of some certificates; both are stored with the receiver.
MAX_PEM_LENGTH = 32_000
#: From then on pages and commands warn of a certificate's end.
WARN_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate, perhaps with its chain, and its private key, both in PEM."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class CertificateFacts:
    """The subject of a certificate, and when it is valid."""

    subject: str
    valid_from: datetime
    valid_until: datetime

    def warning(self, now: datetime) -> str:
        """Return a sentence if the certificate is not valid, or not for long; else empty."""
        day = f"{self.valid_until:%Y-%m-%d}"
        if now >= self.valid_until:
            return f"The client certificate expired on {day}. Enter a new one."
        if now < self.valid_from:
            return f"The client certificate is not valid before {self.valid_from:%Y-%m-%d}."
        if now >= self.valid_until - WARN_BEFORE:
            return f"The client certificate expires on {day}. Enter a new one before that."
        return ""


def read_certificate(pem: str, field: str = "client_certificate") -> CertificateFacts:
    """Return the facts of the first certificate in the text; raises InvalidError about `field`."""
    found = _load(pem, field)
    return CertificateFacts(
        found.subject.rfc4514_string(), found.not_valid_before_utc, found.not_valid_after_utc
    )


def check_client_certificate(
    certificate: str, key: str, now: datetime | None = None
) -> ClientCertificate:
    """Return certificate and key as they are stored.

    Raises InvalidError if one of them is not valid, if they do not belong together, or with `now`
    if the certificate has expired by then.
    """
    found, private_key = _load(certificate, "client_certificate"), _load_key(key)
    if _public_bytes(found.public_key()) != _public_bytes(private_key.public_key()):
        raise InvalidError.of(
            "client_key", "The key does not belong to the first certificate of the text."
        )
    if now is not None and now >= found.not_valid_after_utc:
        day = f"{found.not_valid_after_utc:%Y-%m-%d}"
        raise InvalidError.of("client_certificate", f"The certificate expired on {day}.")
    return ClientCertificate(certificate.strip() + "\n", key.strip() + "\n")


def _load(pem: str, field: str) -> x509.Certificate:
    _check_length(pem, field)
    try:
        # All, because a broken one in the chain would fail every handshake.
        return x509.load_pem_x509_certificates(pem.encode())[0]
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidError.of(
            field,
            "This is not a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----.",
        ) from None


def _load_key(pem: str) -> PrivateKeyTypes:
    _check_length(pem, "client_key")
    try:
        return load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise InvalidError.of(
            "client_key",
            "The key has a passphrase. Remove it, for example with `openssl pkey -in key.pem`: "
            "the key is stored encrypted.",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidError.of(
            "client_key",
            "This is not a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----.",
        ) from None


def _check_length(pem: str, field: str) -> None:
    if len(pem) > MAX_PEM_LENGTH:
        raise InvalidError.of(field, f"Must be at most {MAX_PEM_LENGTH:,} characters.")
    if not pem.isascii():
        raise InvalidError.of(field, "Must be in PEM, which has only ASCII characters.")


def _public_bytes(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]  # all kinds of keys have it
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
