"""Secrets of a receiver stay with the origin for which they were entered."""

import pytest
from sqlalchemy import select

from callevents.db.models import AuditEntry, Pbx
from callevents.db.session import begin_write
from callevents.enums import ReceiverAuth
from callevents.errors import InvalidError
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.hooks.options import CustomHeader, HookOptions, read_options
from tests.receivers.conftest import TOKEN, AddReceiver
from tests.receivers.test_connect import connect_all
from tests.receivers.test_receivers import BASIC, add, change
from tests.security.test_client_certificate import issue


def test_another_origin_needs_the_secrets_again(app: object) -> None:
    """They were entered for the old one; another path is no other origin."""
    receiver = add(
        values={"key": "geheim"},
        secret_names=frozenset({"key"}),
        auth=ReceiverAuth.BASIC,
        credentials=BASIC,
    )
    change(receiver, address="https://crm.example.com/v2")
    for address in ("http://crm.example.com/v2", "https://evil.example/v2"):
        with pytest.raises(InvalidError) as caught:
            change(receiver, address=address)
        assert set(caught.value.errors) == {"values/key", "credentials/password"}
        db.session.rollback()
    again = {"values": {"key": "new"}, "secret_names": frozenset({"key"}), "credentials": BASIC}
    change(receiver, address="https://other.example/v2", **again)
    assert receiver.address == "https://other.example/v2"


def test_another_issuer_of_tokens_needs_the_client_secret_again(app: object) -> None:
    """Otherwise whoever may change the URL could read the secret."""
    oauth = {
        "token_url": "https://login.example.com/token",
        "client_id": "us",
        "client_secret": "geheim",
    }
    receiver = add(auth=ReceiverAuth.CLIENT_CREDENTIALS, credentials=oauth)
    with pytest.raises(InvalidError) as caught:
        change(receiver, credentials={"token_url": "https://evil.example/token"})
    assert set(caught.value.errors) == {"credentials/client_secret"}
    db.session.rollback()
    change(receiver, credentials={"token_url": "https://login.example.com/v2/token"})


def test_another_origin_needs_the_private_key_again(app: object) -> None:
    """With the kept key we would authenticate to a server for which nobody has entered it."""
    certificate, key = issue()
    receiver = add(client_certificate=certificate, client_key=key)
    change(receiver, address="https://crm.example.com/v2")
    stored = receiver.client_key
    with pytest.raises(InvalidError) as caught:
        change(receiver, address="https://evil.example/v2")
    assert set(caught.value.errors) == {"client_key"}
    db.session.rollback()
    assert (receiver.address, receiver.client_key) == ("https://crm.example.com/v2", stored)
    change(receiver, address="https://other.example", client_key=key)
    assert receiver.address == "https://other.example"


def test_new_credentials_forget_the_access_token(app: object) -> None:
    """It was issued for the old ones."""
    receiver = add(auth=ReceiverAuth.BEARER, credentials={"token": "geheim"})
    receiver.access_token = cipher.encrypt("old")
    db.session.commit()
    change(receiver, name="Other")
    assert receiver.access_token
    change(receiver, credentials={"token": "geheim-2"})
    assert receiver.access_token == ""


def test_another_origin_forgets_the_access_token(app: object) -> None:
    """It was issued for the old one, although the credentials are entered again as they were."""
    receiver = add(auth=ReceiverAuth.BASIC, credentials=BASIC)
    receiver.access_token = cipher.encrypt("old")
    db.session.commit()
    change(receiver, address="https://crm.example.com/v2")
    assert receiver.access_token
    change(receiver, address="https://other.example/", credentials=BASIC)
    assert receiver.access_token == ""


def test_headers_of_a_request_keep_it_at_its_origin(add_receiver: AddReceiver, pbx: Pbx) -> None:
    """A header that an admin typed may be secret; those of the recipe are not."""
    receiver = add_receiver()
    [pop, _log] = connect_all(receiver, pbx).created
    new = {"values": {"url": "https://new.example.com", "token": TOKEN}}
    change(receiver, **new)
    begin_write()
    options = read_options(pop)
    headers = (*options.headers, CustomHeader("X-Key", "geheim"))
    data = hooks.HookData(
        pop.url, pop.method, options=HookOptions(**{**options.__dict__, "headers": headers})
    )
    hooks.update_hook(pop, data)
    db.session.commit()
    with pytest.raises(InvalidError, match="1 request of this receiver has headers"):
        change(receiver, values={"url": "https://third.example.com", "token": TOKEN})


def test_the_history_has_no_secret_of_a_receiver(app: object) -> None:
    """Neither one within the address, nor a secret value, not even encrypted."""
    address = "https://crm.example.com/api?token=geheim-1"
    secret = frozenset({"key"})
    receiver = add(address=address, values={"key": "geheim-2"}, secret_names=secret)
    change(receiver, address=address.replace("1", "3"))
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    shown = "".join(f"{one.before} {one.after}" for one in entries)
    assert shown.count("token=••••") >= 2
    assert "geheim" not in shown
    assert entries[0].after["value key"] == "set"
