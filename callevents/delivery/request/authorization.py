"""How a request authenticates: its headers and parameters, and which texts of it are secret."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from callevents.delivery.request.receiver import ReceiverTemplate
from callevents.enums import AuthKind, ReceiverAuth
from callevents.security.masking import MASK


@dataclass(frozen=True)
class Authorization:
    """What the authentication adds to a request."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Parameters of the URL.
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The headers as they are shown.
    masks: Mapping[str, str] = field(default_factory=dict)
    #: Texts that receivers may repeat.
    secrets: Iterable[str] = field(default=(), repr=False)


NO_AUTHORIZATION = Authorization()


def authorize(
    kind: AuthKind, username: str, secret: str, receiver: ReceiverTemplate | None
) -> Authorization:
    """Return the authorization of a hook; `receiver` is the one that it may use."""
    if kind is AuthKind.NONE:
        return NO_AUTHORIZATION
    if kind is AuthKind.BASIC:
        return _basic(username, secret)
    if kind is AuthKind.BEARER:
        return _scheme("Bearer", secret)
    if kind is AuthKind.SCHEME:
        return _scheme(username, secret)
    return _of_receiver(receiver) if receiver else NO_AUTHORIZATION


def _of_receiver(receiver: ReceiverTemplate) -> Authorization:
    known = receiver.credentials
    name, value = known.get("name", ""), known.get("value", "")
    match receiver.auth:
        case ReceiverAuth.BASIC:
            return _basic(known.get("username", ""), known.get("password", ""))
        case ReceiverAuth.BEARER:
            return _scheme("Bearer", known.get("token", ""))
        case ReceiverAuth.SCHEME:
            return _scheme(known.get("scheme", ""), known.get("secret", ""))
        case ReceiverAuth.HEADER:
            return Authorization({name: value}, {}, {name: MASK}, (value,))
        case ReceiverAuth.QUERY:
            return Authorization({}, {name: value}, {}, (value,))
        case ReceiverAuth.CLIENT_CREDENTIALS | ReceiverAuth.REFRESH_TOKEN:
            return _scheme(known.get("scheme") or "Bearer", receiver.access_token)
    return NO_AUTHORIZATION


def _basic(username: str, password: str) -> Authorization:
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    # Receivers that echo the header often drop the scheme, or decode the value.
    return _with_scheme("Basic", pair, (pair, password))


def _scheme(scheme: str, secret: str) -> Authorization:
    return _with_scheme(scheme, secret, (secret, *secret.split(":")[1:]))


def _with_scheme(scheme: str, value: str, secrets: Iterable[str]) -> Authorization:
    sent = f"{scheme} {value}"
    # A preview does not know a scheme that is kept.
    masks = {"Authorization": f"{scheme} {MASK}".strip()}
    return Authorization({"Authorization": sent}, {}, masks, (sent, *secrets))
