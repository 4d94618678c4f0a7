"""Pages send a constant number of database statements."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, insert

from callevents.db.models import Extension, Hook, Pbx, new_event_id, new_id, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType, Method
from callevents.extensions import db
from callevents.hooks.hooks import get_or_create_origin
from tests.web.conftest import Visitor

HANDFUL = 12


def add_extensions(pbx: Pbx, first: int, count: int) -> str:
    """Add extensions with five hooks each; return the id of the first."""
    now = utc_now()
    begin_write()
    origin_id = get_or_create_origin("https://crm.example.com/")
    extensions = [
        {
            "id": new_id(),
            "pbx_id": pbx.id,
            "number": str(number),
            "name": f"Desk {number}",
            "created_at": now,
        }
        for number in range(first, first + count)
    ]
    hooks = [
        {
            "event_id": new_event_id(),
            "pbx_id": pbx.id,
            "extension_id": extension["id"],
            "event_type": event_type,
            "method": Method.GET,
            "url": "https://crm.example.com/",
            "origin_id": origin_id,
            "active": True,
            "note": "",
            "created_at": now,
            "modified_at": now,
        }
        for extension in extensions
        for event_type in EventType
    ]
    db.session.execute(insert(Extension.__table__), extensions)
    db.session.execute(insert(Hook.__table__), hooks)
    db.session.commit()
    return str(extensions[0]["id"])


@contextmanager
def counting() -> Iterator[list[str]]:
    """Yield a list that collects the statements sent in the context."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def count_statements(admin: Visitor, path: str) -> int:
    """Return how many statements the page sends."""
    db.session.rollback()
    with counting() as sent:
        assert admin.get(path).status_code == 200
    return len(sent)


PATHS = (
    "/pbxs/head-office/extensions",
    "/pbxs/head-office/extensions?page=2",
    "/pbxs/head-office/extensions?q=1",
    "/pbxs/head-office/extensions?sort=name",
    "/pbxs/head-office/extensions/{}",
    "/pbxs/head-office/extensions/all",
    "/pbxs/head-office/deliveries",
    "/pbxs/head-office/deliveries?state=failed&ext=101",
    "/deliveries?state=failed",
    "/pbxs/head-office",
    "/pbxs",
)


@pytest.mark.slow
def test_statements_do_not_grow_with_the_data(admin: Visitor, pbx: Pbx) -> None:
    """Ten thousand extensions with five hooks each cost as many statements as sixty do."""
    extension_id = add_extensions(pbx, 10_000, 60)
    paths = [path.format(extension_id) for path in PATHS]
    few = {path: count_statements(admin, path) for path in paths}
    add_extensions(pbx, 20_000, 9_940)
    many = {path: count_statements(admin, path) for path in paths}
    assert many == few
    assert max(few.values()) <= HANDFUL
    page = admin.get("/pbxs/head-office/extensions?q=27342").text
    assert "Desk 27342" in page
    assert "Desk 27343" not in page
    assert admin.get("/pbxs/head-office/extensions").text.count('<tr id="extension-') == 51
