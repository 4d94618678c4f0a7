"""Receivers in exports and imports: equal afterwards, and silent until their secrets are there."""

import pytest
from sqlalchemy import select

from callevents.db.models import Hook, Pbx, Receiver
from callevents.db.session import begin_write
from callevents.delivery.request.receiver import read_receiver
from callevents.enums import AuthKind, EventType, HookScope, Method, ReceiverAuth
from callevents.errors import InvalidError
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.hooks.options import Credentials, HookOptions
from callevents.hooks.suspension import WAITS_FOR_RECEIVER
from callevents.operations.configuration.changes import DocumentError, Done, Kind
from callevents.operations.configuration.text import parse, to_yaml
from callevents.pbxs import extensions
from callevents.receivers.changing import ReceiverChanges, make_changed
from callevents.receivers.data import ReceiverData
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver, get_receiver, update_receiver
from callevents.receivers.recipe_files import get_recipe
from callevents.receivers.users import list_users, replace_users
from callevents.receivers.validation import Kept
from tests.operations.configuration.conftest import Another, export, load
from tests.operations.configuration.test_secrets import export_all
from tests.operations.configuration.test_secrets import load as load_all

ADDRESS = "https://crm.example.com/api"
SECRET = "geheim-4711"


@pytest.fixture
def crm(pbx: Pbx) -> Receiver:
    """A receiver with secrets, a user map, and two hooks that are sent once per call together."""
    begin_write()
    receiver = create_receiver(
        ReceiverData(
            "CRM",
            ADDRESS,
            recipe="example-crm",
            values={"team": "sales", "key": SECRET},
            secret_names=frozenset({"key"}),
            auth=ReceiverAuth.BASIC,
            credentials={"username": "anna", "password": SECRET},
            max_per_second=0.5,
        )
    )
    create_receiver(ReceiverData("Own", "https://own.example.com/", pbx_id=pbx.id))
    options = HookOptions(credentials=Credentials(AuthKind.RECEIVER), scope=HookScope.CALL)
    data = hooks.HookData(
        f"{ADDRESS}/calls",
        Method.POST,
        options=options,
        receiver_id=receiver.id,
        recipe_request="log",
    )
    for number in ("101", "102"):
        extension = extensions.add_extension(pbx, number)
        hooks.create_hook(pbx, extension, EventType.HANGUP, data)
    replace_users(receiver, pbx, {"101": "anna", "102": "bo"})
    db.session.commit()
    return receiver


def test_a_round_trip(crm: Receiver, another: Another) -> None:
    """An empty installation has the same afterwards, and a second import changes nothing."""
    document = export()
    text = to_yaml(document)
    assert SECRET not in text
    assert load(document) == []
    with another():
        changes = load(parse(text))
        missing = {one.name: one.missing_secrets for one in changes if one.kind is Kind.RECEIVER}
        assert missing == {"crm": ("value key", "credentials password"), "own": ()}
        assert export() == document
        assert load(document) == []
        found = db.session.scalars(select(Hook)).all()
        assert {hook.receiver_id for hook in found} == {get_receiver("crm").id}
        assert {hook.suspended_reason for hook in found} == {WAITS_FOR_RECEIVER}


def test_entering_the_secrets_resumes_the_requests(crm: Receiver, another: Another) -> None:
    """And then they are complete."""
    document = export()
    with another():
        load(document)
        begin_write()
        receiver = get_receiver("crm")
        changes = ReceiverChanges(
            values={"key": "new"},
            secret_names=frozenset({"key"}),
            credentials={"password": "new"},
        )
        # Its recipe is not there.
        receiver.recipe = ""
        update_receiver(receiver, make_changed(receiver, changes))
        db.session.commit()
        assert {hook.suspended_at for hook in db.session.scalars(select(Hook))} == {None}


def test_an_export_with_secrets_is_complete(crm: Receiver, another: Another) -> None:
    """Values and credentials are back, and the requests are not suspended."""
    document = export_all()
    assert SECRET not in to_yaml(document)
    with another():
        load_all(document)
        template = read_receiver(get_receiver("crm"), cipher.bound)
        assert template.values == {"team": "sales", "key": SECRET}
        assert template.credentials == {"username": "anna", "password": SECRET}
        assert {hook.suspended_at for hook in db.session.scalars(select(Hook))} == {None}
        assert load_all(document) == []


def test_secrets_are_for_their_address(crm: Receiver, another: Another) -> None:
    """Whoever edits the file cannot send them elsewhere."""
    text = to_yaml(export_all()).replace("crm.example.com", "evil.example")
    with another(), pytest.raises(InvalidError) as caught:
        load_all(parse(text))
    assert set(caught.value.errors) == {"secrets/receivers/crm"}


def test_secrets_are_for_their_issuer(pbx: Pbx, another: Another) -> None:
    """Nor can a client secret be sent to another server that issues access tokens."""
    begin_write()
    credentials = {
        "token_url": "https://login.example.com/token",
        "client_id": "us",
        "client_secret": SECRET,
    }
    kind = ReceiverAuth.CLIENT_CREDENTIALS
    create_receiver(ReceiverData("CRM", ADDRESS, auth=kind, credentials=credentials))
    db.session.commit()
    text = to_yaml(export_all()).replace("login.example.com", "evil.example")
    assert "evil.example/token" in text
    with another(), pytest.raises(InvalidError) as caught:
        load_all(parse(text))
    assert set(caught.value.errors) == {"secrets/receivers/crm"}


def test_secrets_in_the_url_of_their_issuer(pbx: Pbx, another: Another) -> None:
    """They are left out as other secrets are; what is stored is kept."""
    begin_write()
    url = f"https://login.example.com/token?api_key={SECRET}"
    credentials = {"token_url": url, "client_id": "us", "client_secret": SECRET}
    kind = ReceiverAuth.CLIENT_CREDENTIALS
    create_receiver(ReceiverData("CRM", ADDRESS, auth=kind, credentials=credentials))
    db.session.commit()
    text, sealed = to_yaml(export()), to_yaml(export_all())
    assert SECRET not in text
    load(parse(text.replace("value: us", "value: them")))
    assert Kept.of(get_receiver("crm")).credentials == {**credentials, "client_id": "them"}
    for old, new in (("/token?", "/other?"), ("client-credentials", "refresh-token")):
        with pytest.raises(DocumentError, match="Write it with its secret"):
            load(parse(text.replace(old, new)))
        db.session.rollback()
    with another():
        [change] = [one for one in load(parse(text)) if one.kind is Kind.RECEIVER]
        assert "credentials token_url" in change.missing_secrets
        found = read_receiver(get_receiver("crm"), cipher.bound).left_out
        assert "credentials/token_url" in found
        load_all(parse(sealed))
        assert Kept.of(get_receiver("crm")).credentials == credentials


def test_secrets_in_plain_values(pbx: Pbx, another: Another) -> None:
    """A value that is an address with a secret in it is masked, and is whole with the secrets."""
    begin_write()
    url = "https://x.bitrix24.com/rest/1/a8f3k2m9x0q7w1z5"
    create_receiver(make_receiver(get_recipe("bitrix24"), {"url": url}, "CRM"))
    db.session.commit()
    stored = Kept.of(get_receiver("crm"))
    assert stored.values["url"] == url
    text, sealed = to_yaml(export()), to_yaml(export_all())
    assert url not in text
    assert url not in sealed
    with another():
        load(parse(text))
        assert read_receiver(get_receiver("crm"), cipher.bound).left_out
        load_all(parse(sealed))
        assert Kept.of(get_receiver("crm")) == stored
        assert not read_receiver(get_receiver("crm"), cipher.bound).left_out


def test_changes(crm: Receiver, pbx: Pbx) -> None:
    """Another path moves the requests; secrets stay; users are replaced."""
    text = to_yaml(export()).replace(f"{ADDRESS}", f"{ADDRESS}/v2").replace("user: bo", "user: jo")
    changes = load(parse(text.replace("value: sales", "value: support")))
    [change] = [one for one in changes if one.kind is Kind.RECEIVER]
    assert (change.done, change.fields) == (Done.CHANGED, ("address", "users", "values"))
    template = read_receiver(get_receiver("crm"), cipher.bound)
    assert template.values == {"team": "support", "key": SECRET}
    assert {hook.url for hook in db.session.scalars(select(Hook))} == {f"{ADDRESS}/v2/calls"}
    assert list_users(get_receiver("crm"), pbx) == {"101": "anna", "102": "jo"}


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        ("https://crm.example.com/api\n", "https://evil.example/api\n", "receivers/0/"),
        ("value: sales", "value: null", "receivers/0/values"),
        ("authentication: basic", "authentication: bearer", "receivers/0/credentials/"),
        ("slug: own", "slug: crm", "receivers/1/slug"),
        ("pbx: head-office\n  recipe", "pbx: nothing\n  recipe", "receivers/1/pbx"),
        ("receiver: crm", "receiver: nothing", "pbxs/0/extensions/0/hooks/0/receiver"),
        ("receiver: crm", "receiver: null", "pbxs/0/extensions/0/hooks/0/authentication"),
    ],
)
def test_what_a_document_cannot_have(crm: Receiver, old: str, new: str, pointer: str) -> None:
    """Nothing is changed, and the error says where it is."""
    text = to_yaml(export())
    assert old in text
    begin_write()
    with pytest.raises(InvalidError) as caught:
        load(parse(text.replace(old, new, 1)))
    db.session.rollback()
    assert all(one.startswith(pointer) for one in caught.value.errors), caught.value.errors


def test_pruning(crm: Receiver) -> None:
    """Receivers that the document does not have are removed with their requests."""
    document = export()
    without = document.model_copy(
        update={
            "receivers": [],
            "pbxs": [one.model_copy(update={"extensions": []}) for one in document.pbxs],
        }
    )
    load(without, prune=True)
    assert db.session.scalars(select(Receiver)).all() == []


def test_hooks_are_taken_out_of_a_receiver(crm: Receiver) -> None:
    """A request without its receiver has a plain URL."""
    document = export()
    [pbx] = document.pbxs
    plain = [
        one.model_copy(
            update={
                "hooks": [
                    hook.model_copy(
                        update={
                            "receiver": None,
                            "recipe_request": "",
                            "authentication": AuthKind.NONE,
                        }
                    )
                    for hook in one.hooks
                ]
            }
        )
        for one in pbx.extensions
    ]
    wanted = document.model_copy(update={"pbxs": [pbx.model_copy(update={"extensions": plain})]})
    load(wanted)
    assert {hook.receiver_id for hook in db.session.scalars(select(Hook))} == {None}
    assert load(wanted) == []
    load(document)
    assert {hook.receiver_id for hook in db.session.scalars(select(Hook))} == {crm.id}


def test_unchanged_values_are_kept(crm: Receiver) -> None:
    """A change of the name leaves encrypted texts as they are."""
    before = (crm.values, crm.auth_secret)
    document = export()
    [one, own] = document.receivers
    load(document.model_copy(update={"receivers": [one.model_copy(update={"name": "X"}), own]}))
    assert (crm.name, crm.values, crm.auth_secret) == ("X", *before)
