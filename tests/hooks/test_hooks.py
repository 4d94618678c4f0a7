"""Hooks: create, update, enable, disable, clear, and the effect on pending deliveries."""

import pytest
from sqlalchemy import select

from callevents.db.models import Delivery, Extension, Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.removal import Removed
from callevents.enums import DeliveryState, EventType, Method
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import db
from callevents.hooks import hooks, queries, validation
from callevents.hooks.hooks import MAX_HOOKS_PER_TYPE
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import extensions
from tests.conftest import Configure
from tests.support.statement_count import counting

DIAL_IN, DIAL_OUT, HANGUP = EventType.DIAL_IN, EventType.DIAL_OUT, EventType.HANGUP
PENDING, HELD = DeliveryState.PENDING, DeliveryState.HELD


@pytest.fixture
def extension(pbx: Pbx, configure: Configure) -> Extension:
    """Extension 101."""
    configure.extension("101")
    found = extensions.get_extension_by_number(pbx, "101")
    assert found is not None
    return found


def report(pbx: Pbx, event: EventType = DIAL_IN) -> None:
    """Accept an event at 101."""
    begin_write()
    accept(pbx, [Report(event_type=event, extension="101")])
    db.session.commit()


def deliveries() -> list[Delivery]:
    """Return all deliveries as they are stored, oldest first."""
    db.session.expire_all()
    return list(db.session.scalars(select(Delivery).order_by(Delivery.id)))


def test_new_hook(pbx: Pbx, extension: Extension) -> None:
    """A hook is active by default and has an Event ID of 30 letters and digits."""
    begin_write()
    hook = hooks.create_hook(
        pbx,
        extension,
        HANGUP,
        hooks.HookData(method=Method.POST, url=" HTTP://Crm.Example.com/x ", note=" a\r\nb "),
    )
    db.session.commit()
    assert (hook.pbx_id, hook.extension_id, hook.event_type) == (pbx.id, extension.id, HANGUP)
    assert (hook.method, hook.url) == (Method.POST, "http://crm.example.com/x")
    assert (hook.active, hook.note) == (True, "a\nb")
    assert len(hook.event_id) == 30
    assert hook.event_id.isalnum()
    assert hook.event_id.isascii()
    assert queries.get_hook(hook.event_id) is hook


def test_event_ids_differ(configure: Configure) -> None:
    """Each hook has its own Event ID."""
    found = {configure.hook("*", DIAL_IN, "http://a/").event_id for _ in range(5)}
    assert len(found) == 5


@pytest.mark.parametrize(
    ("url", "note", "errors"),
    [
        ("", "", {"url": ["Enter the URL of the receiver."]}),
        (
            "ftp://x",
            "x" * 501,
            {
                "url": ["The URL must begin with http:// or https://."],
                "note": ["Must be at most 500 characters (got 501)."],
            },
        ),
        ("http://a/", "a\x00b", {"note": ["Must not contain control characters."]}),
        ("http://a/", "a\rb", {"note": ["Must not contain control characters."]}),
    ],
)
def test_all_invalid_values_are_reported(
    pbx: Pbx, url: str, note: str, errors: dict[str, list[str]]
) -> None:
    """One error names all invalid values, and nothing is created or changed."""
    begin_write()
    with pytest.raises(InvalidError) as caught:
        hooks.create_hook(pbx, None, DIAL_IN, hooks.HookData(url=url, note=note))
    assert caught.value.errors == errors
    good = hooks.create_hook(pbx, None, DIAL_IN, hooks.HookData(url="http://good/"))
    with pytest.raises(InvalidError):
        hooks.update_hook(
            good, hooks.HookData(method=Method.POST, url=url, active=False, note=note)
        )
    assert (good.url, good.method, good.active) == ("http://good/", Method.GET, True)


def test_notes_may_have_lines_and_tabs(pbx: Pbx) -> None:
    """A note of 500 characters with line breaks is valid."""
    note = "a\tb\n" + "ü" * 496
    assert validation.check_note(note) == note


def test_one_event_type_has_at_most_twenty(
    pbx: Pbx, extension: Extension, configure: Configure
) -> None:
    """An extension has at most twenty requests for an event; other extensions do not count."""
    for _ in range(MAX_HOOKS_PER_TYPE):
        configure.hook("101", DIAL_IN, "http://a/")
    with pytest.raises(InvalidError) as caught:
        configure.hook("101", DIAL_IN, "http://a/")
    assert caught.value.errors == {"event": ["One event type can have at most 20 requests."]}
    configure.hook("101", DIAL_OUT, "http://a/")
    configure.hook("*", DIAL_IN, "http://a/")


def test_set_creates_then_changes(pbx: Pbx, extension: Extension, configure: Configure) -> None:
    """The first call creates the request; the second updates it and keeps its Event ID."""
    begin_write()
    first = hooks.set_hook(pbx, extension, DIAL_IN, hooks.HookData(url="http://a/", note="n"))
    again = hooks.set_hook(
        pbx, extension, DIAL_IN, hooks.HookData(method=Method.POST, url="http://b/", active=False)
    )
    db.session.commit()
    assert first is again
    assert (again.method, again.url, again.active, again.note) == (
        *(Method.POST, "http://b/", False, ""),
    )
    configure.hook("101", DIAL_IN, "http://c/")
    with pytest.raises(ConflictError, match=r"^This event has 2 requests\. Edit one of them"):
        hooks.set_hook(pbx, extension, DIAL_IN, hooks.HookData(url="http://d/"))


def test_update_changes_pending_deliveries(pbx: Pbx, configure: Configure) -> None:
    """Pending deliveries get the new URL and method; finished ones are not changed."""
    hook = configure.hook("*", DIAL_IN, "http://old/")
    report(pbx)
    report(pbx)
    done, waiting = deliveries()
    done.state = DeliveryState.DELIVERED
    db.session.commit()
    modified_at = hook.modified_at
    begin_write()
    hooks.update_hook(hook, hooks.HookData(method=Method.POST, url="http://new/"))
    db.session.commit()
    assert [(one.url, one.method) for one in deliveries()] == [
        ("http://old/", Method.GET),
        ("http://new/", Method.POST),
    ]
    assert hook.modified_at >= modified_at
    assert waiting.state is PENDING


@pytest.mark.parametrize("how", ["disable", "update", "clear"])
def test_off_means_off(pbx: Pbx, configure: Configure, how: str) -> None:
    """Disabling or clearing a hook holds its pending deliveries and no others."""
    hook = configure.hook("*", DIAL_IN, "http://off/")
    configure.hook("*", DIAL_IN, "http://on/")
    report(pbx)
    report(pbx)
    done, _, claimed, _ = deliveries()
    done.state = DeliveryState.DELIVERED
    claimed.claimed_at, claimed.fence = claimed.created_at, 1
    db.session.commit()
    begin_write()
    if how == "disable":
        assert hooks.set_active(hook, active=False) == 1
    elif how == "update":
        data = hooks.HookData(method=hook.method, url=hook.url, active=False)
        assert hooks.update_hook(hook, data) == 1
    else:
        removed = hooks.clear_hooks([hook])
        assert (removed.hooks, removed.waiting) == (1, 1)
    db.session.commit()
    states = [(one.url, one.state) for one in deliveries()]
    assert states == [
        ("http://off/", DeliveryState.DELIVERED),
        ("http://on/", PENDING),
        ("http://off/", HELD),
        ("http://on/", PENDING),
    ]
    held = deliveries()[2]
    assert held.finished_at is None
    assert (held.claimed_at, held.fence) == (held.created_at, 1), "its attempt may be running"
    report(pbx)
    assert [one.url for one in deliveries()[4:]] == ["http://on/"]


def test_clearing_nothing(pbx: Pbx) -> None:
    """Clearing no hooks removes none, and there is nothing to undo."""
    assert hooks.clear_hooks([]) == Removed()


def test_cleared_hooks_are_gone(pbx: Pbx, configure: Configure) -> None:
    """Cleared hooks are removed; others stay."""
    first, second, kept = (configure.hook("*", event, "http://a/") for event in list(EventType)[:3])
    gone = [first.event_id, second.event_id]
    begin_write()
    assert hooks.clear_hooks([first, second]).hooks == 2
    db.session.commit()
    assert queries.list_hooks(pbx, None) == [kept]
    for event_id in gone:
        with pytest.raises(NotFoundError):
            queries.get_hook(event_id)


@pytest.mark.parametrize("wrong", ["", "x" * 30, "\x00", "x" * 5000])
def test_unknown_event_id(pbx: Pbx, wrong: str) -> None:
    """An unknown Event ID raises NotFoundError on every database."""
    with pytest.raises(NotFoundError, match=r"^There is no request with the Event ID"):
        queries.get_hook(wrong)


def test_hooks_belong_to_their_pbx(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """Under another PBX a hook is not found, listed or cleared."""
    hook = configure.hook("*", DIAL_IN, "http://a/")
    theirs = Configure(other_pbx).hook("*", DIAL_IN, "http://b/")
    assert queries.get_hook(hook.event_id, pbx) is hook
    with pytest.raises(NotFoundError):
        queries.get_hook(hook.event_id, other_pbx)
    assert queries.list_all_hooks(pbx) == [hook]
    assert set(queries.list_all_hooks()) == {hook, theirs}


def test_listing_all_hooks_is_one_query(pbx: Pbx, configure: Configure) -> None:
    """All hooks are loaded with their PBXs and extensions in one query."""
    for number in range(10):
        configure.extension(str(number))
        configure.hook(str(number), DIAL_IN, "http://a/")
    db.session.rollback()
    statements: list[str] = []
    with counting(statements):
        listed = queries.list_all_hooks()
        assert {hook.pbx.slug for hook in listed} == {"head-office"}
        assert {hook.extension.number for hook in listed if hook.extension} == set("0123456789")
    assert len(statements) == 1


def test_order_is_that_of_the_codes(pbx: Pbx, configure: Configure) -> None:
    """Hooks are listed by event type, then age."""
    made = [configure.hook("*", event, "http://a/") for event in (HANGUP, DIAL_IN, HANGUP)]
    expected = [made[1], made[0], made[2]]
    assert queries.list_hooks(pbx, None) == expected


def test_ids_of_removed_hooks_are_not_given_again(pbx: Pbx, configure: Configure) -> None:
    """A new hook cannot inherit the deliveries of a removed one."""
    hook = configure.hook("*", DIAL_IN, "http://a/")
    removed_id = hook.id
    begin_write()
    hooks.clear_hooks([hook])
    db.session.commit()
    assert configure.hook("*", DIAL_IN, "http://b/").id > removed_id


def test_deleted_hook_leaves_its_deliveries(pbx: Pbx, configure: Configure) -> None:
    """A delivery remains after its hook is removed and keeps the Event ID."""
    hook = configure.hook("*", DIAL_IN, "http://a/", Method.POST)
    event_id = hook.event_id
    report(pbx)
    begin_write()
    hooks.clear_hooks([hook])
    db.session.commit()
    [delivery] = deliveries()
    assert db.session.scalars(select(Hook)).all() == []
    assert delivery.hook is None
    assert (delivery.hook_event_id, delivery.url, delivery.method) == (
        *(event_id, "http://a/", Method.POST),
    )


def test_any_hook_of_a_pbx(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """find_first_hook returns the first hook of the PBX, or None."""
    assert queries.find_first_hook(pbx) is None
    first = configure.hook("*", HANGUP, "http://a/")
    configure.hook("*", DIAL_IN, "http://a/")
    assert queries.find_first_hook(pbx) is first
    assert queries.find_first_hook(other_pbx) is None


def test_active_hooks_of_all_extensions_are_counted(
    pbx: Pbx, extension: Extension, configure: Configure
) -> None:
    """Active hooks for all extensions are counted by event, in the table's order."""
    assert queries.count_active_for_all_extensions(pbx) == {}
    configure.hook("*", DIAL_IN, "http://a/")
    configure.hook("*", DIAL_OUT, "http://a/")
    configure.hook("*", DIAL_IN, "http://a/")
    configure.hook("*", HANGUP, "http://a/", active=False)
    configure.hook("101", HANGUP, "http://a/")
    assert list(queries.count_active_for_all_extensions(pbx).items()) == [
        (DIAL_OUT, 1),
        (DIAL_IN, 2),
    ]
