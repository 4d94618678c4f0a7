"""Receivers: add, change, remove; their secrets, and the requests that follow their address."""

import json

import pytest
from sqlalchemy import select

from callevents.audit import Action
from callevents.db.models import AuditEntry, Delivery, Hook, Pbx, Receiver
from callevents.db.session import begin_write
from callevents.delivery.request.receiver import read_receiver
from callevents.enums import ReceiverAuth
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import cipher, db
from callevents.receivers.address import join_url
from callevents.receivers.changing import ReceiverChanges, make_changed
from callevents.receivers.connect import disconnect
from callevents.receivers.data import ReceiverData
from callevents.receivers.receivers import (
    create_receiver,
    get_receiver,
    list_receivers,
    read_data,
    remove_receiver,
    update_receiver,
)
from callevents.users.rights import Scope
from tests.receivers.conftest import TOKEN, AddReceiver
from tests.receivers.test_connect import connect_all
from tests.web.views.test_deliveries import report

ADDRESS = "https://crm.example.com/api"
BASIC = {"username": "anna", "password": "geheim-of-anna"}


def add(**values: object) -> Receiver:
    """Add a receiver with these values, and commit."""
    begin_write()
    receiver = create_receiver(ReceiverData(**{"name": "CRM", "address": ADDRESS, **values}))  # type: ignore[arg-type]
    db.session.commit()
    return receiver


def change(receiver: Receiver, **values: object) -> int:
    """Change these values of a receiver, and commit."""
    begin_write()
    done = update_receiver(receiver, make_changed(receiver, ReceiverChanges(**values)))  # type: ignore[arg-type]
    db.session.commit()
    return done.moved


def invalid_fields(**values: object) -> set[str]:
    """Return the fields that are invalid if a receiver has these values."""
    begin_write()
    with pytest.raises(InvalidError) as caught:
        create_receiver(ReceiverData(**{"name": "CRM", "address": ADDRESS, **values}))  # type: ignore[arg-type]
    db.session.rollback()
    return set(caught.value.errors)


def test_secrets_are_encrypted(app: object) -> None:
    """Neither values nor credentials are in the table or the history as they were entered."""
    receiver = add(
        values={"team": "sales", "key": "geheim-key"},
        secret_names=frozenset({"key"}),
        auth=ReceiverAuth.BASIC,
        credentials=BASIC,
    )
    row = [str(getattr(receiver, column.key)) for column in Receiver.__table__.columns]
    entries = db.session.scalars(select(AuditEntry)).all()
    assert "geheim" not in "".join(row) + "".join(str(one.after) for one in entries)
    template = read_receiver(receiver, cipher.bound)
    assert template.values == {"team": "sales", "key": "geheim-key"}
    assert template.secret_names == {"key"}
    assert template.credentials == BASIC


def test_each_invalid_value_is_named(app: object) -> None:
    """All at once, each with its field."""
    assert invalid_fields(
        name=" ",
        address="ftp://crm",
        values={"Bad Name": "x"},
        auth=ReceiverAuth.BEARER,
        max_in_flight=0,
        max_per_second=-1,
    ) == {
        "name",
        "address",
        "values/Bad Name",
        "credentials/token",
        "max_in_flight",
        "max_per_second",
    }


@pytest.mark.parametrize(
    ("auth", "credentials", "field"),
    [
        (ReceiverAuth.BEARER, {"token": "with a space"}, "token"),
        (ReceiverAuth.BASIC, {"username": "a:b", "password": "x"}, "username"),
        (ReceiverAuth.HEADER, {"name": "Host", "value": "x"}, "name"),
        (ReceiverAuth.HEADER, {"name": "X-Key", "value": "a\nb"}, "value"),
        (ReceiverAuth.SCHEME, {"scheme": "two words", "secret": "x"}, "scheme"),
        (ReceiverAuth.QUERY, {"name": "key", "value": "x", "more": "y"}, "more"),
        (
            ReceiverAuth.CLIENT_CREDENTIALS,
            {"token_url": "file:///etc", "client_id": "a", "client_secret": "b"},
            "token_url",
        ),
    ],
)
def test_credentials_fit_their_kind(
    app: object, auth: ReceiverAuth, credentials: dict[str, str], field: str
) -> None:
    """What could not be sent, or would break a header, is refused."""
    assert invalid_fields(auth=auth, credentials=credentials) == {f"credentials/{field}"}


@pytest.mark.parametrize(
    "address",
    [
        "https://{receiver.host}/api",
        "https://crm.example.com/{CallerIDNum}",
        "https://crm.example.com/{receiver.unknown}",
        "https://anna:secret@crm.example.com",
        "//crm.example.com",
        "",
    ],
)
def test_the_host_of_an_address_is_fixed(app: object, address: str) -> None:
    """No value of a call or of the receiver can choose where requests go."""
    assert invalid_fields(address=address, values={"host": "evil.example"}) == {"address"}


def test_names_are_unique_and_slugs_follow(app: object) -> None:
    """The slug is a part of commands and addresses, and is never taken twice."""
    assert [add(name=name).slug for name in ("Our CRM", "our-crm", "New", "…")] == [
        "our-crm",
        "our-crm-2",
        "new-2",
        "receiver",
    ]
    assert invalid_fields(name="OUR crm") == {"name"}


def test_what_is_left_out_is_kept(app: object) -> None:
    """A change of one value keeps all secrets, also their encrypted text."""
    receiver = add(
        values={"key": "geheim"},
        secret_names=frozenset({"key"}),
        auth=ReceiverAuth.BASIC,
        credentials=BASIC,
    )
    before = (receiver.values, receiver.auth_secret)
    change(receiver, name="Other", max_in_flight=3)
    assert (receiver.values, receiver.auth_secret) == before
    assert (receiver.name, receiver.max_in_flight) == ("Other", 3)
    change(receiver, credentials={"password": "another"}, max_in_flight=0)
    members = read_receiver(receiver, cipher.bound).credentials
    assert members == {"username": "anna", "password": "another"}
    assert receiver.max_in_flight is None
    [_added, _name, last] = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert last.action == Action.RECEIVER_CHANGED
    assert last.after == {"credentials": "changed"}


def test_saving_the_same_changes_nothing(app: object) -> None:
    """It leaves no entry in the history."""
    receiver = add(auth=ReceiverAuth.BASIC, credentials=BASIC)
    begin_write()
    update_receiver(receiver, read_data(receiver))
    update_receiver(receiver, make_changed(receiver, ReceiverChanges(credentials=BASIC)))
    db.session.commit()
    assert len(db.session.scalars(select(AuditEntry)).all()) == 1


def test_a_secret_value_is_not_shown_by_a_change(app: object) -> None:
    """Taking the mark `secret` from a value needs the value again."""
    receiver = add(values={"key": "geheim"}, secret_names=frozenset({"key"}))
    begin_write()
    data = ReceiverData("CRM", ADDRESS, values={"key": None})
    with pytest.raises(InvalidError) as caught:
        update_receiver(receiver, data)
    assert set(caught.value.errors) == {"values/key"}


def test_the_address_moves_requests_and_what_waits(
    add_receiver: AddReceiver, pbx: Pbx, other_pbx: Pbx
) -> None:
    """URL and origin of hooks, and those of deliveries that wait; the history has one entry."""
    receiver = add_receiver()
    connect_all(receiver, pbx)
    connect_all(receiver, other_pbx)
    report(pbx, "101", "call-1")
    before = db.session.scalars(select(Delivery)).one()
    keys = (before.origin_id, before.ordering_key)
    assert change(receiver, values={"url": "https://new.example.com/crm/", "token": TOKEN}) == 4
    assert receiver.address == "https://new.example.com/crm/api/{receiver.team}"
    urls = {hook.url for hook in db.session.scalars(select(Hook))}
    base = "https://new.example.com/crm/api/{receiver.team}"
    assert urls == {f"{base}/pop", f"{base}/calls"}
    origins = {hook.origin.name for hook in db.session.scalars(select(Hook))}
    assert origins == {"https://new.example.com:443"}
    delivery = db.session.scalars(select(Delivery)).one()
    assert delivery.url == f"{base}/pop"
    assert delivery.origin_id != keys[0]
    assert delivery.ordering_key != keys[1]
    query = select(AuditEntry).where(AuditEntry.action == Action.RECEIVER_CHANGED)
    [entry] = db.session.scalars(query).all()
    assert entry.before is not None
    assert "https://crm.example.com/api/{receiver.team}" in entry.before["address"]


def test_new_secrets_resume_requests(add_receiver: AddReceiver, pbx: Pbx) -> None:
    """Requests that were suspended for a wrong token go on; another name changes nothing."""
    receiver = add_receiver()
    [pop, log] = connect_all(receiver, pbx).created
    pop.suspended_at, pop.suspended_reason = pop.created_at, "All attempts have failed."
    db.session.commit()
    change(receiver, name="Other")
    assert pop.suspended_at is not None
    change(receiver, values={"token": "another-token"})
    assert (pop.suspended_at, pop.suspended_reason) == (None, "")
    assert log.suspended_at is None


def test_receivers_with_requests_cannot_be_removed(add_receiver: AddReceiver, pbx: Pbx) -> None:
    """The error says how many there are."""
    receiver = add_receiver()
    connect_all(receiver, pbx)
    begin_write()
    with pytest.raises(ConflictError, match="has 2 requests"):
        remove_receiver(receiver)
    disconnect(receiver, pbx)
    remove_receiver(receiver)
    db.session.commit()
    assert db.session.scalars(select(Receiver)).all() == []


@pytest.mark.parametrize(
    ("address", "path", "url"),
    [
        ("https://a.example/x/", "/pop", "https://a.example/x/pop"),
        ("https://a.example/x", "", "https://a.example/x"),
        ("https://a.example/x", "?b=2", "https://a.example/x?b=2"),
        ("https://a.example/x?a=1", "?b=2", "https://a.example/x?a=1&b=2"),
        ("https://a.example/x?a=1", "&b=2", "https://a.example/x?a=1&b=2"),
        ("https://a.example/x", "&b=2", "https://a.example/x?b=2"),
    ],
)
def test_paths_are_added_to_addresses(address: str, path: str, url: str) -> None:
    """Also parameters, whether the address has some or not."""
    assert join_url(address, path) == url


def test_scopes_limit_what_is_seen(app: object, pbx: Pbx, other_pbx: Pbx) -> None:
    """Everybody who sees any PBX sees receivers of all PBXs; others only those of theirs."""
    add(name="For all")
    add(name="Of head office", pbx_id=pbx.id)
    add(name="Of branch", pbx_id=other_pbx.id)

    def seen(scope: Scope) -> list[str]:
        return [receiver.name for receiver in list_receivers(scope)]

    assert seen(Scope(is_all=True)) == ["For all", "Of branch", "Of head office"]
    assert seen(Scope(pbx_ids=frozenset({pbx.id}))) == ["For all", "Of head office"]
    own = Scope(extension_ids=frozenset({"x"}), partial_pbx_ids=frozenset({other_pbx.id}))
    assert seen(own) == ["For all", "Of branch"]
    assert seen(Scope()) == []
    with pytest.raises(NotFoundError):
        get_receiver("of-branch", Scope(pbx_ids=frozenset({pbx.id})))


def test_a_pbx_takes_its_receivers_with_it(app: object, pbx: Pbx) -> None:
    """A receiver of one PBX is removed with it."""
    add(name="Of head office", pbx_id=pbx.id)
    begin_write()
    db.session.delete(pbx)
    db.session.commit()
    assert db.session.scalars(select(Receiver)).all() == []


def test_stored_values_are_readable_json(app: object) -> None:
    """Names, values and marks are a list, so that their order stays."""
    receiver = add(values={"b": "1", "a": "ü"})
    assert json.loads(receiver.values) == [["b", "1", False], ["a", "ü", False]]
