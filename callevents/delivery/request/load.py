"""Loads a hook's request template, and builds the request of a delivery from it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from callevents.db.models import Hook, Pbx
from callevents.delivery.request.build import (
    Request,
    RequestTemplate,
    build_request,
    used_names,
)
from callevents.delivery.request.call_values import derived_values, parameters
from callevents.delivery.request.fill import escape_url
from callevents.delivery.request.masking import mask_address
from callevents.delivery.request.numbers import NumberPlan
from callevents.delivery.request.placeholders import ANSWER_PREFIX
from callevents.delivery.request.receiver import LoadedReceiver, ReceiverTemplate
from callevents.delivery.request.signing import Signing
from callevents.enums import AuthKind, MissingAnswer
from callevents.security.encryption import Cipher, UnreadableError

#: The columns of a hook that define its requests.
REQUEST_COLUMNS = (
    Hook.event_id.label("hook_event_id"),
    Hook.method,
    Hook.url,
    Hook.body_format,
    Hook.parameters,
    Hook.auth,
    Hook.auth_secret,
    Hook.custom_headers,
    Hook.signing_secret,
    Hook.previous_signing_secret,
    Hook.previous_secret_until,
    Hook.content_type,
    Hook.body_template,
    Hook.value_maps,
    Hook.answers,
    Hook.missing_answer,
    Hook.receiver_id,
)
#: The columns of a PBX that say how its numbers are dialed.
PLAN_COLUMNS = (Pbx.country, Pbx.outside_prefix, Pbx.trunk_prefix, Pbx.internal_lengths)
#: Shown in a preview for the Event ID, which is generated when a hook is saved.
EVENT_ID_PLACEHOLDER = "(generated-when-saved)"
MISSING = (
    "There is no value for {}: no answer to an earlier request of this call had one. Look at the "
    "deliveries of the request that keeps it."
)


def make_request(
    row: Any,
    cipher: Cipher,
    receiver: LoadedReceiver | None = None,
    answers: Mapping[str, str] = MappingProxyType({}),
) -> Request:
    """Return the request of a delivery; with `problem` set if its secrets cannot be decrypted.

    `answers`: values kept from earlier answers of the receiver, by name.

    `row` has REQUEST_COLUMNS, PLAN_COLUMNS and the PBX's `slug`, the event's columns, `delivery_id`
    and `call_values`.
    """
    values = parameters(
        row,
        pbx_slug=row.slug,
        hook_event_id=row.hook_event_id,
        delivery_id=row.delivery_id,
        call_values=row.call_values,
    )
    try:
        signing = read_signing(row, cipher, row.delivery_id)
        template = read_template(row, cipher, receiver.decrypt(cipher) if receiver else None)
        request = build_request(
            template,
            values,
            signing=signing,
            more=partial(_more_values, row, answers),
            plan=NumberPlan.of(row),
        )
        return request if receiver is None else _with_answers(request, template, row, answers)
    except UnreadableError as error:
        url = escape_url(row.url)
        return Request(row.method, url, masked_url=mask_address(url), problem=str(error))


def _more_values(row: Any, answers: Mapping[str, str]) -> dict[str, str]:
    kept = {f"{ANSWER_PREFIX}{name}": value for name, value in answers.items()}
    return {**derived_values(row, row.call_values), **kept}


def _with_answers(
    request: Request, template: RequestTemplate, row: Any, answers: Mapping[str, str]
) -> Request:
    """Return the request with the values to keep, or with the problem that one is missing."""
    pointers = json.loads(row.answers) if row.answers else {}
    used = {
        name.removeprefix(ANSWER_PREFIX)
        for name in used_names(template)
        if name.startswith(ANSWER_PREFIX)
    }
    missing = sorted(used - answers.keys())
    if not missing or row.missing_answer is MissingAnswer.OMIT:
        return replace(request, answers=pointers)
    problem = MISSING.format(f"{{{ANSWER_PREFIX}{missing[0]}}}")
    return replace(request, answers=pointers, problem=problem, is_hopeless=True)


def read_template(
    hook: Any, cipher: Cipher, receiver: ReceiverTemplate | None = None
) -> RequestTemplate:
    """Return the template of a hook, or of a row with REQUEST_COLUMNS; raises UnreadableError.

    `receiver`: the one of the hook, if it has one.
    """
    username, secret = "", ""
    if hook.auth not in (AuthKind.NONE, AuthKind.RECEIVER):
        username, secret = json.loads(cipher.decrypt(hook.auth_secret))
    stored = json.loads(hook.custom_headers) if hook.custom_headers else []
    headers = [(name, cipher.decrypt(token)) for name, token in stored]
    return RequestTemplate(
        hook.method,
        hook.url,
        hook.body_format,
        hook.parameters,
        headers,
        hook.auth,
        username,
        secret,
        hook.content_type,
        hook.body_template,
        json.loads(hook.value_maps) if hook.value_maps else {},
        receiver=receiver,
    )


def read_signing(hook: Any, cipher: Cipher, message_id: str) -> Signing | None:
    """Return the signing data for a message ID, None without a secret; raises UnreadableError."""
    if not hook.signing_secret:
        return None
    previous = hook.previous_signing_secret
    return Signing(
        message_id,
        cipher.decrypt(hook.signing_secret),
        cipher.decrypt(previous) if previous else "",
        hook.previous_secret_until,
    )
