"""Connecting extensions to a receiver: which requests there are then."""

import pytest
from sqlalchemy import select

from callevents.db.models import AuditEntry, Extension, Hook, Pbx, Receiver
from callevents.db.session import begin_write
from callevents.enums import AuthKind, EventType, HookScope
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import db
from callevents.receivers.connect import Connected, connect, disconnect
from callevents.receivers.data import ReceiverData
from callevents.receivers.fetching import fetch_users
from callevents.receivers.receivers import create_receiver
from callevents.receivers.test_request import send_receiver_test
from tests.conftest import Configure
from tests.receivers.conftest import AddReceiver
from tests.support.receiver import Receiver as HttpReceiver
from tests.support.statement_count import counting


def find_extensions(pbx: Pbx, *numbers: str) -> list[Extension]:
    """Return the extensions with these numbers, in this order."""
    found = db.session.scalars(select(Extension).where(Extension.pbx_id == pbx.id))
    by_number = {one.number: one for one in found}
    return [by_number[number] for number in numbers]


def connect_all(receiver: Receiver, pbx: Pbx, *numbers: str) -> Connected:
    """Connect the extensions, or all without any, and commit."""
    begin_write()
    connected = connect(receiver, pbx, find_extensions(pbx, *numbers) if numbers else None)
    db.session.commit()
    return connected


def test_default_requests_of_the_recipe_are_made(add_receiver: AddReceiver, pbx: Pbx) -> None:
    """For all extensions, with the address, and what the recipe says; others are left out."""
    receiver = add_receiver()
    connect_all(receiver, pbx)
    hooks = db.session.scalars(select(Hook).order_by(Hook.event_type)).all()
    base = "https://crm.example.com/api/{receiver.team}"
    assert [(hook.event_type, hook.url, hook.extension_id) for hook in hooks] == [
        (EventType.DIAL_IN, f"{base}/pop", None),
        (EventType.HANGUP, f"{base}/calls", None),
    ]
    assert {hook.auth for hook in hooks} == {AuthKind.RECEIVER}
    assert {hook.receiver_id for hook in hooks} == {receiver.id}
    assert [hook.scope for hook in hooks] == [HookScope.EXTENSION, HookScope.CALL]
    assert [hook.body_template for hook in hooks] == [
        '{"from": "{CallerIDNum}"}',
        '{"id": "{CallID}"}',
    ]


def test_connecting_twice_changes_nothing(
    add_receiver: AddReceiver, pbx: Pbx, configure: Configure
) -> None:
    """What is there is kept, also what an admin has changed; new extensions are added."""
    receiver = add_receiver()
    configure.extension("101")
    configure.extension("102")
    first = connect_all(receiver, pbx, "101")
    first.created[0].note = "mine"
    db.session.commit()
    again = connect_all(receiver, pbx, "101", "102")
    assert {hook.id for hook in again.kept} == {hook.id for hook in first.created}
    assert {hook.extension.number for hook in again.created if hook.extension} == {"102"}
    assert len(db.session.scalars(select(Hook)).all()) == 4
    assert db.session.get_one(Hook, first.created[0].id).note == "mine"


def test_all_extensions_serve_each(
    add_receiver: AddReceiver, pbx: Pbx, configure: Configure
) -> None:
    """Where there is a request for all, an extension needs none; the reverse is refused."""
    receiver = add_receiver()
    configure.extension("101")
    connect_all(receiver, pbx)
    assert connect_all(receiver, pbx, "101").created == []
    begin_write()
    disconnect(receiver, pbx)
    db.session.commit()
    connect_all(receiver, pbx, "101")
    with pytest.raises(ConflictError, match="send each request twice"):
        connect_all(receiver, pbx)


def test_requests_per_call_belong_together(
    add_receiver: AddReceiver, pbx: Pbx, other_pbx: Pbx, configure: Configure
) -> None:
    """Hooks of single extensions that are sent once per call know the first of them."""
    receiver = add_receiver()
    for number in ("101", "102", "103"):
        configure.extension(number)
    connect_all(receiver, pbx, "101", "102")
    connect_all(receiver, pbx, "103")
    connect_all(receiver, other_pbx)
    query = select(Hook).where(Hook.scope == HookScope.CALL).order_by(Hook.id)
    hooks = db.session.scalars(query).all()
    assert [hook.once_id for hook in hooks] == [None, hooks[0].id, hooks[0].id, None]
    alone = select(Hook.once_id).where(Hook.scope == HookScope.EXTENSION)
    assert set(db.session.scalars(alone)) == {None}


def test_300_extensions_take_few_statements(add_receiver: AddReceiver, pbx: Pbx) -> None:
    """The number of SELECTs does not grow with that of the extensions."""
    receiver = add_receiver()
    begin_write()
    db.session.add_all(Extension(pbx_id=pbx.id, number=str(1000 + n)) for n in range(300))
    db.session.commit()
    statements: list[str] = []
    extensions = db.session.scalars(select(Extension).order_by(Extension.number)).all()
    with counting(statements):
        numbers = [extension.number for extension in extensions]
        assert len(connect_all(receiver, pbx, *numbers).created) == 600
    assert sum(statement.startswith("SELECT") for statement in statements) < 20


def test_the_history_has_one_entry(
    add_receiver: AddReceiver, pbx: Pbx, configure: Configure
) -> None:
    """For all requests together, when they are made and when they are removed."""
    receiver = add_receiver()
    for number in ("101", "102"):
        configure.extension(number)
    before = len(db.session.scalars(select(AuditEntry)).all())
    connect_all(receiver, pbx, "101", "102")
    begin_write()
    disconnect(receiver, pbx)
    db.session.commit()
    query = select(AuditEntry).order_by(AuditEntry.id).offset(before)
    added, cleared = db.session.scalars(query).all()
    assert (added.action, cleared.action) == ("hooks.bulk_added", "hooks.bulk_cleared")
    for entry in (added, cleared):
        assert entry.after is not None
        assert entry.after["receiver"] == "Our CRM"
        assert entry.after["requests"] == {"pop": 2, "log": 2}
        assert entry.after["extensions"] == ["101", "102"]


def test_receivers_without_a_recipe_cannot_be_connected(app: object, pbx: Pbx) -> None:
    """Nobody knows what they take; the error says what to do."""
    begin_write()
    receiver = create_receiver(ReceiverData("Other", "https://other.example.com"))
    with pytest.raises(ConflictError, match="has no recipe"):
        connect(receiver, pbx, None)


def test_receivers_of_another_pbx_are_refused(
    add_receiver: AddReceiver, pbx: Pbx, other_pbx: Pbx
) -> None:
    """Its requests would have secrets of another PBX."""
    receiver = add_receiver(pbx_id=other_pbx.id)
    with pytest.raises(InvalidError, match="another PBX"):
        connect_all(receiver, pbx)


def test_too_many_requests_at_once(
    add_receiver: AddReceiver, pbx: Pbx, configure: Configure
) -> None:
    """They would keep the database locked for long; nothing is made of them."""
    receiver = add_receiver()
    extensions = [Extension(pbx_id=pbx.id, number=str(n), name="") for n in range(1000, 3501)]
    begin_write()
    with pytest.raises(InvalidError, match=r"5,002 requests, and at most 5,000 can be made"):
        connect(receiver, pbx, extensions)
    db.session.rollback()
    assert db.session.scalars(select(Hook)).all() == []


def test_the_quota_is_counted_once(
    add_receiver: AddReceiver, pbx: Pbx, configure: Configure
) -> None:
    """Not once for each request, and it still counts those that are made together."""
    receiver = add_receiver()
    for number in ("101", "102", "103"):
        configure.extension(number)
    begin_write()
    pbx.max_hooks = 5
    db.session.commit()
    with pytest.raises(InvalidError, match=r"The quota of Head office is 5 requests, and it has 5"):
        connect_all(receiver, pbx, "101", "102", "103")
    db.session.rollback()
    pbx.max_hooks = 6
    db.session.commit()
    statements: list[str] = []
    with counting(statements):
        assert len(connect_all(receiver, pbx, "101", "102", "103").created) == 6
    counted = [one for one in statements if one.startswith("SELECT count(*)")]
    assert len([one for one in counted if "GROUP BY" not in one]) == 1


def test_a_receiver_of_another_pbx(
    add_receiver: AddReceiver, pbx: Pbx, other_pbx: Pbx, receiver: HttpReceiver
) -> None:
    """It gets neither tests nor questions for users of this one."""
    stored = add_receiver(pbx_id=other_pbx.id, url=receiver.url)
    for send in (send_receiver_test, fetch_users):
        with pytest.raises(InvalidError) as caught:
            send(stored, pbx, 1)
        assert set(caught.value.errors) == {"pbx"}
    assert receiver.arrivals == []
