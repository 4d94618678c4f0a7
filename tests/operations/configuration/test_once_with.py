"""Requests that are sent once per call together, in exports and imports."""

import json
from itertools import chain

import pytest

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType, HookScope
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks.bulk.add import add_for_many
from callevents.hooks.hooks import HookData
from callevents.hooks.options import HookOptions
from callevents.hooks.queries import list_all_hooks
from callevents.operations.configuration.document import ConfiguredHook, Document
from callevents.operations.configuration.text import parse, to_yaml
from callevents.pbxs import pbxs
from callevents.pbxs.extensions import list_extensions
from tests.conftest import Configure
from tests.ingest.calls import deliveries, store
from tests.ingest.test_once_per_call import told
from tests.operations.configuration.conftest import Another, export, load

PHONES = ("101", "102", "103", "104", "105")


@pytest.fixture
def ring_group(pbx: Pbx, configure: Configure) -> Pbx:
    """A PBX with a request for five extensions, sent once per call."""
    for number in PHONES:
        configure.extension(number)
    begin_write()
    data = HookData("https://crm.example.com/", options=HookOptions(scope=HookScope.CALL))
    add_for_many(pbx, list_extensions(pbx), EventType.DIAL_IN, data)
    db.session.commit()
    return pbx


def requests(document: Document) -> list[ConfiguredHook]:
    """Return the requests of the document's extensions."""
    return list(chain.from_iterable(one.hooks for one in document.pbxs[0].extensions))


def test_round_trip(ring_group: Pbx, another: Another) -> None:
    """In another installation a call still makes one request; importing twice changes nothing."""
    document = export()
    first, *others = requests(document)
    assert first.once_with is None
    assert {one.once_with for one in others} == {first.event_id}
    with another():
        assert "changed" not in {one.done for one in load(parse(to_yaml(document)))}
        assert export() == document
        assert load(document, prune=True) == []
        store(pbxs.get_pbx("head-office"), *(told(EventType.DIAL_IN, one) for one in PHONES))
        assert [one.extension for one in deliveries()] == ["101"]


def edit(place: int, **values: object) -> Document:
    """Return an export with other values of the request of the extension in that place."""
    content = export().model_dump(mode="json")
    content["pbxs"][0]["extensions"][place]["hooks"][0] |= values
    return parse(json.dumps(content))


def test_joins_existing_ones(ring_group: Pbx) -> None:
    """A request that names another one is sent with it; without a name it stays as it is."""
    assert load(edit(1, once_with=None)) == []
    begin_write()
    hooks = list_all_hooks(ring_group)
    hooks[1].once_id = hooks[2].once_id = None
    db.session.commit()
    [change] = load(edit(1, once_with=hooks[0].event_id))
    found = (change.done, change.name, change.fields)
    assert found == ("changed", "head-office 102 dial-in", ("once_with",))
    store(ring_group, *(told(EventType.DIAL_IN, one) for one in PHONES))
    assert [one.extension for one in deliveries()] == ["101", "103"]


def test_errors(ring_group: Pbx) -> None:
    """The other request must be there, and both need the scope."""
    with pytest.raises(InvalidError, match="No request of this PBX") as unknown:
        load(edit(1, once_with="b" * 30))
    assert list(unknown.value.errors) == ["pbxs/0/extensions/1/hooks/0/once_with"]
    db.session.rollback()
    with pytest.raises(InvalidError, match="the scope 'call'"):
        load(edit(1, scope="extension"))
