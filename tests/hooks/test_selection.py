"""Filters of hooks."""

from collections.abc import Sequence

import pytest

from callevents.db.models import Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks import selection
from callevents.hooks.selection import HookState, HookWhere, Selection, count, find_page
from callevents.users.rights import Scope
from tests.conftest import Configure


@pytest.fixture
def hooks(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> Sequence[Hook]:
    """Hooks of two PBXs, in different states."""
    configure.extension("101")
    found = [
        configure.hook("101", EventType.DIAL_IN, "https://crm.example.com/in"),
        configure.hook("101", EventType.HANGUP, "https://crm.example.com:8443/end?a=100%25"),
        configure.hook("*", EventType.HANGUP, "http://other.example.com/crm.example.com"),
        Configure(other_pbx).hook("*", EventType.HANGUP, "https://bücher.example/", active=False),
    ]
    begin_write()
    found[0].failing_since = utc_now()
    found[1].suspended_at = utc_now()
    found[2].note = "Night shift\nof 50%"
    db.session.commit()
    return found


@pytest.mark.parametrize(
    ("where", "places"),
    [
        (HookWhere(), [0, 1, 2, 3]),
        (HookWhere(extension="101"), [0, 1]),
        (HookWhere(extension="*"), [2, 3]),
        (HookWhere(event_type=EventType.HANGUP), [1, 2, 3]),
        (HookWhere(state=HookState.ENABLED), [0, 2]),
        (HookWhere(state=HookState.DISABLED), [3]),
        (HookWhere(state=HookState.SUSPENDED), [1]),
        (HookWhere(state=HookState.FAILING), [0]),
        (HookWhere(host="crm.example.com"), [0, 1]),
        (HookWhere(host="CRM.example.com:8443"), [1]),
        (HookWhere(host="https://crm.example.com"), [0]),
        (HookWhere(host="http://crm.example.com"), []),
        (HookWhere(host="https://crm.example.com:8443/x"), [1]),
        (HookWhere(host="bücher.example"), [3]),
        (HookWhere(host="example.com"), []),
        (HookWhere(host="%"), []),
        (HookWhere(note="night SHIFT"), [2]),
        (HookWhere(note="50%"), [2]),
        (HookWhere(note="5_%"), []),
        (HookWhere(url="crm.example.com"), [0, 1, 2]),
        (HookWhere(url="100%25"), [1]),
        (HookWhere(url="crm", event_type=EventType.HANGUP, host="other.example.com"), [2]),
    ],
)
def test_filters(hooks: Sequence[Hook], where: HookWhere, places: list[int]) -> None:
    """Each value narrows the filter, and wildcards of SQL are plain characters."""
    wanted = [hooks[place].id for place in places]
    assert [hook.id for hook in Selection(where).load()] == wanted
    assert count(where) == len(wanted)
    assert [hook.id for hook in find_page(where, limit=9)] == wanted[::-1]
    assert where.is_empty is (where == HookWhere())


def test_scope_and_ids(hooks: Sequence[Hook], pbx: Pbx, other_pbx: Pbx) -> None:
    """Only what the user may change is chosen, also by Event ID."""
    ids = [hook.event_id for hook in hooks] + ["unknown", "with space", ""]
    here = Scope(pbx_ids=frozenset({pbx.id}))
    own = Scope(extension_ids=frozenset({hooks[0].extension_id or ""}))
    assert len(Selection(event_ids=ids).load()) == 4
    assert len(Selection(scope=here, event_ids=ids).load()) == 3
    assert len(Selection(scope=own, event_ids=ids).load()) == 2
    assert Selection(scope=Scope()).load() == []
    assert Selection(event_ids=[]).load() == []
    begin_write()
    other_pbx.removing_at = utc_now()
    db.session.commit()
    assert len(Selection(event_ids=ids).load()) == 3
    assert count(HookWhere()) == 3


def test_limits(hooks: Sequence[Hook], monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many are refused with what to do; a page begins after the one before."""
    monkeypatch.setattr(selection, "MAX_SELECTED", 3)
    with pytest.raises(InvalidError, match="Narrow the filter"):
        Selection().load()
    first = find_page(HookWhere(), limit=2)
    rest = find_page(HookWhere(), limit=9, before=first[-1].id)
    assert [hook.id for hook in (*first, *rest)] == [hook.id for hook in hooks][::-1]


def test_words(hooks: Sequence[Hook], pbx: Pbx) -> None:
    """The filter in words is for pages, commands and the history."""
    where = HookWhere(pbx, "101", event_type=EventType.HANGUP, host="crm.example.com")
    assert Selection(where).describe() == (
        "PBX Head office, extension 101, event Hangup, host crm.example.com"
    )
    assert Selection().describe() == "none"
    assert Selection(event_ids=["x"]).describe() == "chosen one by one"
