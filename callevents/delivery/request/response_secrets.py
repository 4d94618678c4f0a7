"""Finds the texts of a request that are masked in responses, because receivers may repeat them."""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, unquote

from callevents.delivery.request.authorization import Authorization
from callevents.delivery.request.fill import fill_query
from callevents.delivery.request.masking import MIN_SECRET_LENGTH, find_url_secrets
from callevents.delivery.request.placeholders import RECEIVER_PREFIX, Context, Placeholder
from callevents.delivery.request.receiver import ReceiverTemplate

#: Custom headers without secrets, whose values are common in responses.
_NOT_SECRET = frozenset({"accept", "accept-language", "cache-control", "pragma", "user-agent"})


def find_secrets(
    url: str,
    custom: Mapping[str, str],
    authorization: Authorization,
    receiver: ReceiverTemplate | None,
    context: Context,
    placeholders: Iterable[Placeholder],
) -> Sequence[str]:
    """Return the texts to mask, as they are and as JSON and HTML escape them.

    `custom`: the custom headers as sent; `placeholders`: those of the whole request.
    """
    # As they are sent: receivers repeat them like that, or decoded.
    in_url = [fill_query(secret, context) for secret in find_url_secrets(url)]
    if not (custom or in_url or authorization.secrets or receiver):
        return ()
    plain = {value.strip() for name, value in custom.items() if name.lower() not in _NOT_SECRET}
    plain |= {*in_url, *map(unquote, in_url), *authorization.secrets}
    if receiver:
        plain |= _find_values(receiver, context, placeholders)
    found = set()
    for value in plain:
        if len(value) >= MIN_SECRET_LENGTH:
            escaped = json.dumps(value)[1:-1]
            found |= {value, escaped, escaped.replace("/", "\\/"), html.escape(value)}
    # Longest first: one may be a part of another.
    return sorted(found, key=len, reverse=True)


def _find_values(
    receiver: ReceiverTemplate, context: Context, placeholders: Iterable[Placeholder]
) -> set[str]:
    """Return the secret values of the receiver, also as filters and URLs have them."""
    names = {f"{RECEIVER_PREFIX}{name}" for name in receiver.secret_names}
    values = {receiver.values.get(name, "") for name in receiver.secret_names}
    values |= {one.fill(context) for one in placeholders if one.name in names}
    return values | {quote(value, safe="") for value in values}
