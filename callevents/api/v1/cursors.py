"""Cursors: where the next page of a list begins. They are opaque, and bound to list and filter.

A page begins after the last object of the page before, in the order of IDs, newest first. So
objects that are added meanwhile cause no gaps and no repeats, and nothing is counted.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TypeVar

from callevents.api.v1.models import Answer, ListQuery, Page
from callevents.api.v1.problems import ApiError, ProblemType

Row = TypeVar("Row")
T = TypeVar("T", bound=Answer)


def find_start(query: ListQuery, list_name: str) -> str | None:
    """Return the last ID of the page before, None for the first page.

    `list_name` names the list, so that a cursor of another one is refused. Raises ApiError.
    """
    if not query.cursor:
        return None
    try:
        digest, last_id = json.loads(urlsafe_b64decode(query.cursor.encode("ascii")))
    except ValueError:
        digest, last_id = "", None
    if digest != _digest(query, list_name) or not isinstance(last_id, str):
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
    text = json.dumps([_digest(query, list_name), last_id])
    return urlsafe_b64encode(text.encode()).decode()


def _digest(query: ListQuery, list_name: str) -> str:
    values = json.dumps([list_name, query.filter_values()], sort_keys=True)
    return sha256(values.encode()).hexdigest()[:16]
