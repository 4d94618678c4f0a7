"""Hooks of a receiver: their URL, placeholders and authentication."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from callevents.db.models import Hook, Pbx, Receiver
from callevents.db.session import begin_write
from callevents.delivery import removal
from callevents.enums import AuthKind, BodyFormat, EventType, Method
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.bulk.apply import apply
from callevents.hooks.bulk.changes import MoveToReceiver
from callevents.hooks.options import Answers, BodyTemplate, Credentials, HookOptions
from callevents.hooks.selection import HookWhere, Selection
from callevents.receivers.data import ReceiverData
from callevents.receivers.receivers import create_receiver, remove_receiver
from tests.receivers.test_receivers import change
from tests.support.statement_count import counting

ADDRESS = "https://crm.example.com/api"
OWN = HookOptions(credentials=Credentials(AuthKind.RECEIVER))

AddHook = Callable[..., Hook]


@pytest.fixture
def crm(app: object) -> Receiver:
    """A receiver without a recipe, with the value `team`."""
    begin_write()
    receiver = create_receiver(ReceiverData("CRM", ADDRESS, values={"team": "sales"}))
    db.session.commit()
    return receiver


@pytest.fixture
def add_hook(pbx: Pbx, crm: Receiver) -> AddHook:
    """Adds a hook of the receiver."""

    def add(url: str = f"{ADDRESS}/calls", options: HookOptions = OWN) -> Hook:
        begin_write()
        data = hooks.HookData(url, Method.POST, options=options, receiver_id=crm.id)
        hook = hooks.create_hook(pbx, None, EventType.DIAL_IN, data)
        db.session.commit()
        return hook

    return add


@pytest.mark.parametrize("rest", ["", "/calls", "/", "?team=1", "/{receiver.team}/{CallerIDNum}"])
def test_urls_begin_with_the_address(add_hook: AddHook, rest: str) -> None:
    """The address itself, a path below it, or a query."""
    assert add_hook(ADDRESS + rest).url == ADDRESS + rest


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/api/calls",
        "http://crm.example.com/api/calls",
        "https://crm.example.com:8443/api/calls",
        "https://crm.example.com/apicalls",
        "https://crm.example.com/ap",
    ],
)
def test_other_urls_are_refused(add_hook: AddHook, url: str) -> None:
    """What is the receiver's, such as its token, goes nowhere else."""
    with pytest.raises(InvalidError) as caught:
        add_hook(url)
    assert set(caught.value.errors) == {"url"}


def test_an_address_without_a_path_is_no_prefix_of_a_host(add_hook: AddHook, crm: Receiver) -> None:
    """https://crm.example.com is not the beginning of https://crm.example.com.evil.example."""
    change(crm, address="https://crm.example.com")
    for url in ("https://crm.example.com.evil.example/", "https://crm.example.community/"):
        with pytest.raises(InvalidError):
            add_hook(url)
    add_hook("https://crm.example.com/calls")


def test_unknown_values_are_refused(add_hook: AddHook) -> None:
    """The error names those that there are."""
    with pytest.raises(InvalidError, match=r"no value 'tenant'\. It has \{receiver\.team\}"):
        add_hook(f"{ADDRESS}/{{receiver.tenant}}")


def test_without_a_receiver_there_is_nothing_of_it(pbx: Pbx) -> None:
    """Neither its authentication nor its values."""
    begin_write()
    data = hooks.HookData("https://a.example/", Method.POST, options=OWN)
    with pytest.raises(InvalidError) as caught:
        hooks.create_hook(pbx, None, EventType.DIAL_IN, data)
    assert set(caught.value.errors) == {"authentication"}


@pytest.mark.parametrize(
    "url", ["https://a.example/{Extension|user}", "https://a.example/{CallID|or:x|user}"]
)
def test_without_a_receiver_there_is_no_user(pbx: Pbx, add_hook: AddHook, url: str) -> None:
    """The filter would always be empty; with a receiver it is not."""
    begin_write()
    with pytest.raises(InvalidError, match="always empty") as caught:
        hooks.create_hook(pbx, None, EventType.DIAL_IN, hooks.HookData(url))
    assert set(caught.value.errors) == {"url"}
    db.session.rollback()
    add_hook(f"{ADDRESS}/{{Extension|user}}")


@pytest.mark.parametrize("text", ["{receiver.team}", "{answer.ID}", "{Extension|user}"])
def test_only_what_is_sent_is_checked(pbx: Pbx, text: str) -> None:
    """A template that the body does not use may say anything; one that it uses is checked."""
    template = BodyTemplate("text/plain", text)
    for body_format in BodyFormat:
        options = HookOptions(body_format=body_format, body_template=template)
        data = hooks.HookData("https://a.example/", Method.POST, options=options)
        begin_write()
        if body_format is BodyFormat.TEMPLATE:
            with pytest.raises(InvalidError) as caught:
                hooks.create_hook(pbx, None, EventType.DIAL_IN, data)
            assert set(caught.value.errors) == {"body_template"}
        else:
            hooks.create_hook(pbx, None, EventType.DIAL_IN, data)
        db.session.rollback()


def test_a_request_leaves_its_receiver(add_hook: AddHook) -> None:
    """Only if it takes nothing of it; then its URL is free."""
    hook = add_hook()
    data = hooks.HookData("https://b.example/", Method.POST)
    begin_write()
    with pytest.raises(InvalidError) as caught:
        hooks.update_hook(hook, replace(data, options=OWN).of(None, hook))
    assert set(caught.value.errors) == {"authentication"}
    begin_write()
    kept = replace(data, options=HookOptions(answers=Answers({"ID": "/id"})))
    with pytest.raises(InvalidError) as caught:
        hooks.update_hook(hook, kept.of(None, hook))
    assert set(caught.value.errors) == {"answers"}
    begin_write()
    hooks.update_hook(hook, data.of(None, hook))
    db.session.commit()
    assert (hook.receiver_id, hook.url) == (None, "https://b.example/")


def test_changes_keep_the_receiver(add_hook: AddHook, crm: Receiver) -> None:
    """An edit cannot take a request out of its receiver, or send it elsewhere."""
    hook = add_hook()
    begin_write()
    hooks.update_hook(hook, hooks.HookData(f"{ADDRESS}/v2", Method.PUT, options=OWN))
    db.session.commit()
    assert (hook.receiver_id, hook.url) == (crm.id, f"{ADDRESS}/v2")
    begin_write()
    with pytest.raises(InvalidError) as caught:
        hooks.update_hook(hook, hooks.HookData("https://evil.example/", options=OWN))
    assert set(caught.value.errors) == {"url"}


def test_removed_requests_do_not_come_back_to_another_address(
    add_hook: AddHook, pbx: Pbx, crm: Receiver
) -> None:
    """Undo is refused if the receiver has moved, or is gone, since."""
    hook = add_hook()
    begin_write()
    removed = hooks.clear_hooks([hook])
    db.session.commit()
    change(crm, address="https://crm.example.com/v2")
    begin_write()
    with pytest.raises(ConflictError, match="receiver"):
        removal.undo(pbx, removed.id)
    remove_receiver(crm)
    db.session.commit()
    begin_write()
    with pytest.raises(ConflictError, match="receiver"):
        removal.undo(pbx, removed.id)


@pytest.mark.parametrize("is_gone", [False, True])
def test_the_receiver_is_read_again(
    add_hook: AddHook, pbx: Pbx, crm: Receiver, *, is_gone: bool
) -> None:
    """What others have changed before the PBX was locked counts, and not what was read before."""
    hook = add_hook()
    plain = hooks.HookData("https://plain.example/")
    begin_write()
    other = hooks.create_hook(pbx, None, EventType.HANGUP, plain)
    db.session.commit()
    begin_write()
    assert crm.address == ADDRESS
    moved = update(Receiver).values(address="https://moved.example/")
    of_others = delete(Receiver) if is_gone else moved
    db.session.execute(of_others.execution_options(synchronize_session=False))
    data = hooks.HookData(ADDRESS, options=OWN, receiver_id=crm.id, keeps_receiver=False)
    expected = {"receiver" if is_gone else "url"}
    for work in (
        lambda: hooks.create_hook(pbx, None, EventType.DIAL_IN, data),
        lambda: hooks.update_hook(hook, replace(data, keeps_receiver=True)),
        lambda: hooks.update_hook(other, data),
    ):
        with pytest.raises(InvalidError) as caught:
            work()
        assert set(caught.value.errors) == expected


def test_who_gives_a_request_to_a_receiver_locks_its_pbx(
    add_hook: AddHook, pbx: Pbx, crm: Receiver
) -> None:
    """Before the hook, as who changes or removes the receiver does."""
    begin_write()
    other = hooks.create_hook(pbx, None, EventType.HANGUP, hooks.HookData("https://plain.example/"))
    db.session.commit()
    data = hooks.HookData(ADDRESS, options=OWN, receiver_id=crm.id, keeps_receiver=False)
    chosen = Selection(HookWhere(pbx=pbx))
    for work in (
        lambda: hooks.update_hook(other, data),
        lambda: apply(chosen, MoveToReceiver(crm)),
    ):
        begin_write()
        assert (other.pbx_id, crm.id) == (pbx.id, crm.id)
        statements: list[str] = []
        with counting(statements):
            work()
        kinds = [
            "PBX" if text.startswith("SELECT pbx.removing_at") else "hook"
            for text in statements
            if text.startswith("SELECT pbx.removing_at") or "hook.url" in text
        ]
        assert kinds[:2] == ["PBX", "hook"]
        db.session.rollback()
