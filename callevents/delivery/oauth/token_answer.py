"""Reads the answer of a token server: RFC 6749, sections 5.1 and 5.2. It is not trusted."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from callevents.delivery.http.client import Response
from callevents.delivery.http.error_messages import clean
from callevents.errors import CallEventsError
from callevents.security.masking import mask_all

MAX_TOKEN_LENGTH = 4000
#: Of a token whose server does not say it.
DEFAULT_LIFETIME = timedelta(hours=1)
MAX_LIFETIME_SECONDS = 10 * 365 * 86400
MAX_DESCRIPTION_LENGTH = 200
#: The members of the credentials that no message may contain.
_SECRETS = ("client_secret", "refresh_token")
#: It becomes part of a header: printable ASCII without spaces.
_TOKEN = re.compile(r"[\x21-\x7e]+")


class TokenError(CallEventsError):
    """There is no access token; the text says why, without secrets."""


@dataclass(frozen=True)
class Token:
    """An access token; `refresh_token` is the next one if the server has changed it."""

    access_token: str = field(repr=False)
    lifetime: timedelta
    refresh_token: str = field(default="", repr=False)


def read_token(response: Response, credentials: Mapping[str, str]) -> Token:
    """Return the token of the answer; raises TokenError."""
    server = f"The token server {urlsplit(credentials['token_url']).hostname}"
    if not response.has_response:
        reason = response.error.replace("The receiver", "The token server")
        raise TokenError(f"There is no access token. {server} cannot be reached: {reason}")
    answer = _read_object(response)
    if not response.is_success or "error" in answer:
        raise TokenError(
            f"{server} gave no access token: {_explain(response, answer, credentials)}"
        )
    try:
        return _read(answer, has_scheme=bool(credentials.get("scheme")))
    except ValueError as error:
        raise TokenError(f"{server} gave no usable access token: {error}") from None


def _read_object(response: Response) -> Mapping[str, Any]:
    """Return the JSON object of the answer, empty if it is none."""
    try:
        found = {} if response.truncated else json.loads(response.body)
    except (ValueError, RecursionError):
        found = {}
    return found if isinstance(found, dict) else {}


def _explain(response: Response, answer: Mapping[str, Any], credentials: Mapping[str, str]) -> str:
    """Return the reason that the server gives, with secrets masked."""
    texts = [answer.get("error"), answer.get("error_description")]
    given = ": ".join(text for text in texts if isinstance(text, str) and text)
    secrets = sorted(_spellings(credentials), key=len, reverse=True)
    given = clean(mask_all(given, secrets))[:MAX_DESCRIPTION_LENGTH].rstrip(". ")
    status = response.error.replace("The receiver", "It") or f"It returned {response.status_code}."
    return f"{given}. {status}" if given else status


def _spellings(credentials: Mapping[str, str]) -> Iterator[str]:
    for secret in filter(None, map(credentials.get, _SECRETS)):
        yield from (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
        pair = f"{credentials['client_id']}:{secret}".encode()
        yield base64.b64encode(pair).decode()


def _read(answer: Mapping[str, Any], *, has_scheme: bool) -> Token:
    """Return the token; raises ValueError with a sentence."""
    if "access_token" not in answer:
        raise ValueError("the answer is no JSON object with an access_token.")
    kind = answer.get("token_type", "Bearer")
    if not has_scheme and (not isinstance(kind, str) or kind.lower() != "bearer"):
        raise ValueError("its token_type is not Bearer. Enter the scheme that the receiver wants.")
    token = _read_text(answer, "access_token")
    refresh_token = _read_text(answer, "refresh_token") if answer.get("refresh_token") else ""
    return Token(token, _read_lifetime(answer.get("expires_in")), refresh_token)


def _read_text(answer: Mapping[str, Any], name: str) -> str:
    text = answer[name]
    if not isinstance(text, str) or _TOKEN.fullmatch(text) is None or len(text) > MAX_TOKEN_LENGTH:
        raise ValueError(
            f"its {name} is not a text of at most {MAX_TOKEN_LENGTH:,} printable ASCII characters."
        )
    return text


def _read_lifetime(seconds: object) -> timedelta:
    """Return how long the token is valid. Some servers write the number as a text."""
    if seconds is None:
        return DEFAULT_LIFETIME
    if isinstance(seconds, str) and re.fullmatch("[0-9]{1,10}", seconds):
        seconds = int(seconds)
    if type(seconds) is not int or not 0 < seconds <= MAX_LIFETIME_SECONDS:
        raise ValueError("its expires_in is not a whole number of seconds above zero.")
    return timedelta(seconds=seconds)
