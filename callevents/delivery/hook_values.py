"""The values of a hook as the history shows them, without secrets."""

import json
from typing import Any

from callevents.audit import Hidden, Masked
from callevents.conditions import Conditions, describe
from callevents.db.models import Hook, Receiver
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.option_texts import format_answers, format_maps
from callevents.extensions import db


def hook_values(hook: Hook) -> dict[str, Any]:
    """Return what users can change of a hook, except whether it is enabled, and its secrets."""
    headers = json.loads(hook.custom_headers) if hook.custom_headers else []
    return {
        "event": hook.event_type,
        "method": hook.method,
        "url": Masked(hook.url, mask_url(hook.url)),
        "note": hook.note,
        "give_up_seconds": hook.give_up_seconds,
        "in_order": hook.in_order,
        "body_format": hook.body_format,
        "parameters": hook.parameters,
        "authentication": hook.auth,
        "credentials": Hidden(hook.auth_secret),
        "content_type": hook.content_type,
        "body_template": hook.body_template,
        "value_maps": format_maps(_read(hook.value_maps)),
        "scope": hook.scope,
        "conditions": describe(Conditions.read(hook.conditions)),
        "answers": format_answers(_read(hook.answers)),
        "missing_answer": hook.missing_answer,
        "receiver": _name_receiver(hook),
        **{f"header {name}": Hidden(token) for name, token in headers},
    }


def _read(stored: str) -> Any:
    return json.loads(stored) if stored else {}


def _name_receiver(hook: Hook) -> str:
    receiver = None if hook.receiver_id is None else db.session.get(Receiver, hook.receiver_id)
    return receiver.name if receiver else ""


def signing_values(hook: Hook) -> dict[str, Any]:
    """Return whether the hook has a signing secret, as the history shows it."""
    return {"signing_secret": Hidden(hook.signing_secret)}
