"""Secrets of a document, encrypted with a passphrase.

Encryption is deterministic (AES-SIV, RFC 5297), so that an unchanged configuration is the same text
each time, as version control expects. Each secret is bound to the address that it is for: moved to
a request with another receiver, it cannot be decrypted.
"""

import base64
import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from callevents.config.settings import Settings
from callevents.errors import InvalidError

MIN_PASSPHRASE_LENGTH = 12
SALT_BYTES = 16
#: OWASP's Password Storage Cheat Sheet has these costs of scrypt for 64 MiB of memory.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**16, 8, 2
_KEY_BYTES = 64
#: Encrypted in each document, to tell a wrong passphrase from a changed secret.
_CHECK = "callevents secrets 1"

WRONG = "The passphrase is wrong: it is not the one with which the secrets were exported."
CHANGED = (
    "These secrets cannot be decrypted: they were changed, or the address is no longer the one for "
    "which they were exported. Remove them here, and enter them after the import."
)


class Sealer:
    """Encrypts and decrypts the secrets of one document."""

    def __init__(self, passphrase: str, salt: bytes) -> None:
        """Derive the key, which takes a while; raises InvalidError for a short passphrase."""
        if len(passphrase) < MIN_PASSPHRASE_LENGTH:
            raise InvalidError.of(
                "passphrase", f"Must be at least {MIN_PASSPHRASE_LENGTH} characters."
            )
        kdf = Scrypt(salt=salt, length=_KEY_BYTES, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P)
        self._aead = AESSIV(kdf.derive(passphrase.encode()))
        self._salt = salt

    @classmethod
    def of_document(cls, passphrase: str, header: str) -> "Sealer":
        """Return what decrypts a document with that header; raises InvalidError."""
        salt, _dot, check = header.partition(".")
        try:
            sealer = cls(passphrase, base64.b64decode(salt, validate=True))
            is_right = sealer.unseal(check, "document") == {"check": _CHECK}
        except (ValueError, UnsealError):
            is_right = False
        if not is_right:
            raise InvalidError.of("passphrase", WRONG)
        return sealer

    def header(self) -> str:
        """Return what a document keeps, to decrypt its secrets."""
        salt = base64.b64encode(self._salt).decode()
        return f"{salt}.{self.seal({'check': _CHECK}, 'document')}"

    def seal(self, values: Mapping[str, Any], address: str) -> str:
        """Return the values encrypted for that address."""
        data = json.dumps(values, sort_keys=True, ensure_ascii=False).encode()
        return base64.b64encode(self._aead.encrypt(data, [address.encode()])).decode()

    def unseal(self, text: str, address: str) -> dict[str, Any]:
        """Return decrypted values; raises UnsealError unless they were sealed for that address."""
        try:
            data = self._aead.decrypt(base64.b64decode(text, validate=True), [address.encode()])
        except (InvalidTag, ValueError):
            raise UnsealError(CHANGED) from None
        found: dict[str, Any] = json.loads(data)
        return found


def find_salt(settings: Settings) -> bytes:
    """Return the salt of an installation: the same each time, and different from all others'."""
    key = settings.read_encryption_keys()[0].encode()
    return blake2b(key, digest_size=SALT_BYTES, person=b"export salt").digest()


class UnsealError(Exception):
    """Secrets cannot be decrypted; the text says why."""
