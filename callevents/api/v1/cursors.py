"""Cursors: where the next page of a list begins. They are opaque, and bound to list and filter.

A page begins after the last object of the page before, in the order of IDs, newest first. So
objects that are added meanwhile cause no gaps and no repeats, and nothing is counted.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import TypeVar

from flask import current_app
from itsdangerous import Signer

from callevents.api.v1.models import Answer, ListQuery, Page
from callevents.api.v1.problems import ApiError, ProblemType

SALT = "callevents.api.cursor"

Row = TypeVar("Row")
T = TypeVar("T", bound=Answer)


def find_start(query: ListQuery, list_name: str) -> str | None:
    """Return the last ID of the page before, None for the first page.

    `list_name` names the list, so that a cursor of another one is refused. Raises ApiError.
    """
    if not query.cursor:
        return None
    try:
        decoded = urlsafe_b64decode(query.cursor.encode("ascii") + b"==").decode()
    except ValueError:
        decoded = ""
    _code, _, last_id = decoded.partition(".")
    # What has not been made here must not reach the database.
    expected = make_cursor(query, list_name, last_id)
    if not last_id or not compare_digest(expected.encode(), query.cursor.encode()):
        detail = "Begin again without `cursor`. A filter cannot change between two pages."
        raise ApiError(ProblemType.INVALID_CURSOR, detail)
    return last_id


def make_page(
    query: ListQuery,
    list_name: str,
    rows: Sequence[Row],
    find_id: Callable[[Row], object],
    to_answer: Callable[[Row], T],
) -> Page[T]:
    """Return a page of the rows, of which there are `limit` + 1 if another page follows."""
    shown = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        cursor = make_cursor(query, list_name, str(find_id(shown[-1])))
    return Page(data=[to_answer(row) for row in shown], next_cursor=cursor)


def make_cursor(query: ListQuery, list_name: str, last_id: str) -> str:
    """Return the cursor of the page after the object with this ID."""
    text = json.dumps([list_name, query.filter_values(), last_id], sort_keys=True)
    signer = Signer(current_app.secret_key or "", SALT, key_derivation="hmac", digest_method=sha256)
    code = signer.get_signature(text)[:20].decode()
    return urlsafe_b64encode(f"{code}.{last_id}".encode()).decode().rstrip("=")
