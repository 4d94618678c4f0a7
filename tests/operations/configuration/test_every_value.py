"""Every value of a receiver and of its requests is exported and imported, also a new one."""

from dataclasses import fields, replace
from typing import Any

from sqlalchemy import select

from callevents.db.models import Hook, Pbx, Receiver
from callevents.db.session import begin_write
from callevents.delivery.request.receiver import read_receiver
from callevents.enums import AuthKind, EventType, Method, MissingAnswer, ParameterSet
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.hooks.options import (
    Answers,
    Credentials,
    CustomHeader,
    HookOptions,
    read_options,
)
from callevents.hooks.queries import get_hook
from callevents.hooks.suspension import WAITS_FOR_RECEIVER
from callevents.operations.configuration.changes import Kind
from callevents.operations.configuration.text import parse, to_yaml
from callevents.receivers.data import ReceiverData
from callevents.receivers.receivers import get_receiver, read_data, update_receiver
from tests.operations.configuration.conftest import TEMPLATED, Another, export, load
from tests.operations.configuration.test_receivers import ADDRESS, crm
from tests.operations.configuration.test_secrets import export_all
from tests.operations.configuration.test_secrets import load as load_all
from tests.security.test_client_certificate import issue

__all__ = ["crm"]

OPTIONS = replace(
    TEMPLATED,
    give_up_seconds=300,
    parameters=ParameterSet.VOIPNOW,
    headers=(CustomHeader("X-Key", "geheim-4712"),),
    credentials=Credentials(AuthKind.RECEIVER),
    answers=Answers({"CALL_ID": "/result/CALL_ID"}, MissingAnswer.OMIT),
)


def find_defaults(kind: type, value: Any) -> list[str]:
    """Return the names of the fields that have their default."""
    defaults = kind() if kind is HookOptions else kind("", "")
    names = [one.name for one in fields(kind)]
    return [name for name in names if getattr(value, name) == getattr(defaults, name)]


def add_certificate(receiver: Receiver) -> None:
    """Give the receiver a client certificate, and a number of requests in flight."""
    certificate, key = issue()
    begin_write()
    changes = {"client_certificate": certificate, "client_key": key, "max_in_flight": 3}
    update_receiver(receiver, replace(read_data(receiver), **changes))  # type: ignore[arg-type]
    db.session.commit()


def test_every_option_of_a_request(crm: Receiver, pbx: Pbx, another: Another) -> None:
    """Also what only requests of a receiver have."""
    begin_write()
    url = f"{ADDRESS}/calls/{{answer.CALL_ID}}"
    data = hooks.HookData(
        *(url, Method.PUT, False, "mine"),
        options=OPTIONS,
        receiver_id=crm.id,
        recipe_request="end",
    )
    hook = hooks.create_hook(pbx, None, EventType.HANGUP, data)
    db.session.commit()
    event_id, options = hook.event_id, read_options(hook)
    # Values are kept only in the order of the call. The other order is in the fixture `full`.
    assert find_defaults(HookOptions, options) == ["in_order"], "a new option: set it above"
    document = parse(to_yaml(export_all()))
    with another():
        load_all(document)
        found = get_hook(event_id)
        assert read_options(found) == options
        assert (found.url, found.method, found.active, found.note, found.recipe_request) == (
            *(url, Method.PUT, False, "mine", "end"),
        )


def test_every_value_of_a_receiver(crm: Receiver, another: Another) -> None:
    """With the certificate, whose key is among the secrets."""
    add_certificate(crm)
    data, template = read_data(crm), read_receiver(crm, cipher.bound)
    # Credentials and key are in the template; the PBX is that of the other receiver.
    missing = ["pbx_id", "credentials", "client_key"]
    assert find_defaults(ReceiverData, data) == missing, "a new value: set it above"
    text = to_yaml(export_all())
    assert "PRIVATE KEY" not in text
    with another():
        load_all(parse(text))
        found = get_receiver("crm")
        assert read_data(found) == data
        assert replace(read_receiver(found, cipher.bound), id=template.id) == template
        own = get_receiver("own").pbx
        assert own
        assert own.slug == "head-office"


def test_a_certificate_is_a_secret(crm: Receiver, another: Another) -> None:
    """An export has none. Where it is, an import leaves it; elsewhere it is missing."""
    add_certificate(crm)
    document = export()
    text = to_yaml(document)
    assert "CERTIFICATE" not in text
    before = (crm.client_certificate, crm.client_key)
    renamed = text.replace("name: CRM", "name: Other")
    assert [change.fields for change in load(parse(renamed))] == [("name",)]
    assert (crm.name, crm.client_certificate, crm.client_key) == ("Other", *before)
    with another():
        [change] = [one for one in load(document) if (one.kind, one.name) == (Kind.RECEIVER, "crm")]
        assert "client certificate" in change.missing_secrets
        reasons = set(db.session.scalars(select(Hook.suspended_reason)))
        assert reasons == {WAITS_FOR_RECEIVER}
