"""The secrets with which requests are signed: made by us, shown once, replaced and removed."""

import base64
import secrets
from datetime import timedelta

from callevents.db.models import Hook, utc_now
from callevents.delivery.request.signing import SECRET_PREFIX
from callevents.extensions import cipher

SECRET_BYTES = 32
#: So long the secret before signs as well, so that receivers can change theirs.
OVERLAP = timedelta(hours=24)


def renew_secret(hook: Hook) -> str:
    """Give the hook a new signing secret and return it; the one before signs for a day too."""
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    if hook.signing_secret:
        hook.previous_signing_secret = hook.signing_secret
        hook.previous_secret_until = utc_now() + OVERLAP
    hook.signing_secret = cipher.encrypt(secret)
    return secret


def remove_secret(hook: Hook) -> None:
    """Sign the hook's requests no longer."""
    hook.signing_secret = hook.previous_signing_secret = ""
    hook.previous_secret_until = None
