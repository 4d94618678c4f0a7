"""Signs requests according to Standard Webhooks 1.0 (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime

SECRET_PREFIX = "whsec_"  # noqa: S105  # the standard's prefix, no secret


ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"


@dataclass(frozen=True)
class Signing:
    """Signing data of one delivery: the secret, and the previous one until it expires."""

    message_id: str
    secret: str = field(repr=False)
    previous: str = field(default="", repr=False)
    previous_until: datetime | None = None

    def headers(self, body: str, moment: datetime) -> dict[str, str]:
        """Return the headers of an attempt made at that moment."""
        timestamp = int(moment.timestamp())
        secrets = [self.secret]
        if self.previous and self.previous_until and moment < self.previous_until:
            secrets.append(self.previous)
        signed = f"{self.message_id}.{timestamp}.{body}".encode()
        return {
            ID_HEADER: self.message_id,
            TIMESTAMP_HEADER: str(timestamp),
            SIGNATURE_HEADER: " ".join(_sign(secret, signed) for secret in secrets),
        }


def _sign(secret: str, signed: bytes) -> str:
    key = binascii.a2b_base64(secret.removeprefix(SECRET_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
