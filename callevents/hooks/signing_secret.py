"""Signing secrets of hooks: generate, rotate, remove."""

import base64
import secrets
from datetime import timedelta
from typing import Any

from callevents import audit
from callevents.audit.targets import of_hook
from callevents.db.models import Hook, utc_now
from callevents.delivery.hook_values import signing_values
from callevents.delivery.request.signing import SECRET_PREFIX
from callevents.extensions import cipher

SECRET_BYTES = 32
#: How long requests are signed with the previous secret too, so receivers can switch.
OVERLAP = timedelta(hours=24)


def make_secret() -> str:
    """Return a new signing secret."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def rotate_secret(hook: Hook) -> str:
    """Generate a signing secret and return it; the previous one stays valid for a day."""
    secret = make_secret()
    before = signing_values(hook)
    if hook.signing_secret:
        hook.previous_signing_secret = hook.signing_secret
        hook.previous_secret_until = utc_now() + OVERLAP
    hook.signing_secret = cipher.encrypt(secret)
    _record(hook, before)
    return secret


def restore_secret(hook: Hook, secret: str) -> None:
    """Sign with this secret from now on, as another installation does."""
    before = signing_values(hook)
    hook.signing_secret = cipher.encrypt(secret)
    _record(hook, before)


def remove_secret(hook: Hook) -> None:
    """Stop signing the hook's requests."""
    before = signing_values(hook)
    hook.signing_secret = hook.previous_signing_secret = ""
    hook.previous_secret_until = None
    _record(hook, before)


def _record(hook: Hook, before: dict[str, Any]) -> None:
    target = of_hook(hook, hook.extension)
    audit.record_change(audit.Action.HOOK_SIGNING_CHANGED, target, before, signing_values(hook))
