"""Who an extension is in a receiver: what requests, and tests of them, send of the user map."""

import pytest
from sqlalchemy import select

from callevents.db.models import Delivery, Extension, Hook, Pbx
from callevents.db.models import Receiver as ReceiverRow
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.enums import EventType, HookScope, Method
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.hooks.options import CustomHeader, HookOptions
from callevents.hooks.receiver import read_receiver_template
from callevents.pbxs.extensions import get_extension_by_number
from callevents.receivers.users import replace_users
from tests.conftest import Configure
from tests.ingest.calls import store
from tests.ingest.test_once_per_call import told
from tests.receivers.conftest import AddReceiver
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until
from tests.web.views.test_deliveries import report

DIAL_IN, ANSWER_IN, HANGUP = EventType.DIAL_IN, EventType.ANSWER_IN, EventType.HANGUP


@pytest.fixture
def crm(add_receiver: AddReceiver, pbx: Pbx, other_pbx: Pbx, receiver: Receiver) -> ReceiverRow:
    """A receiver that knows extensions of two PBXs."""
    crm = add_receiver(url=receiver.url)
    begin_write()
    replace_users(crm, pbx, {"101": "anna", "102": "dan", "103": "emma"})
    replace_users(crm, other_pbx, {"101": "bo"})
    db.session.commit()
    return crm


def add(
    crm: ReceiverRow,
    pbx: Pbx,
    event: EventType,
    path: str,
    options: HookOptions | None = None,
    extension: Extension | None = None,
) -> Hook:
    """Add a request of the receiver."""
    begin_write()
    url = f"{crm.address}{path}"
    data = hooks.HookData(url, Method.POST, options=options or HookOptions(), receiver_id=crm.id)
    hook = hooks.create_hook(pbx, extension, event, data)
    db.session.commit()
    return hook


@pytest.fixture
def phones(pbx: Pbx, configure: Configure) -> Extension | None:
    """Two extensions of a ring group; returns the first."""
    for number in ("101", "103"):
        configure.extension(number)
    return get_extension_by_number(pbx, "101")


def ring(pbx: Pbx) -> None:
    """Let a call ring both. The second answers it."""
    for event, number in (
        (DIAL_IN, "101"),
        (DIAL_IN, "103"),
        (ANSWER_IN, "103"),
        (HANGUP, "101"),
        (HANGUP, "103"),
    ):
        store(pbx, told(event, number))


def run(engine: Engine) -> None:
    """Run the engine until all deliveries have ended."""
    engine.start()

    def ended() -> bool:
        db.session.rollback()
        return all(one.is_finished for one in db.session.scalars(select(Delivery.state)))

    wait_until(ended, "the end of all deliveries")


def test_users_are_those_of_the_pbx(
    crm: ReceiverRow, pbx: Pbx, other_pbx: Pbx, receiver: Receiver, engine: Engine
) -> None:
    """The same extension of another PBX is somebody else, also among requests sent together."""
    for one in (pbx, other_pbx):
        add(crm, one, DIAL_IN, "/{Extension|user}")
        report(one, "101", "call-1")
    run(engine)
    assert sorted(arrival.path for arrival in receiver.arrivals) == [
        "/api/sales/anna",
        "/api/sales/bo",
    ]


def test_users_of_tests_are_those_of_the_pbx(crm: ReceiverRow, pbx: Pbx, other_pbx: Pbx) -> None:
    """Previews and test requests do not take those of another PBX either."""
    users = [read_receiver_template(crm, one.id, cipher.bound).users for one in (pbx, other_pbx)]
    assert users == [{"101": "anna", "102": "dan", "103": "emma"}, {"101": "bo"}]


def test_user_in_a_header(crm: ReceiverRow, pbx: Pbx, receiver: Receiver, engine: Engine) -> None:
    """Headers are encrypted, so the users are read for each request that has some."""
    options = HookOptions(headers=(CustomHeader("X-User", "{Extension|user}"),))
    add(crm, pbx, DIAL_IN, "/calls", options)
    report(pbx, "102", "call-1")
    run(engine)
    assert [arrival.headers["X-User"] for arrival in receiver.arrivals] == ["dan"]


def test_user_who_answered_elsewhere(
    crm: ReceiverRow, pbx: Pbx, phones: Extension, receiver: Receiver, engine: Engine
) -> None:
    """The hangup of a phone that rang in vain has the user of the extension that answered."""
    add(crm, pbx, HANGUP, "/{Extension|user}/{AnsweredBy|user}", extension=phones)
    ring(pbx)
    run(engine)
    assert [arrival.path for arrival in receiver.arrivals] == ["/api/sales/anna/emma"]


def test_user_of_the_whole_call(
    crm: ReceiverRow, pbx: Pbx, phones: Extension, receiver: Receiver, engine: Engine
) -> None:
    """The end of a call has the user who answered, also if the request is another extension's."""
    options = HookOptions(scope=HookScope.CALL)
    add(crm, pbx, HANGUP, "/{Extension|user}", options, phones)
    ring(pbx)
    run(engine)
    assert [arrival.path for arrival in receiver.arrivals] == ["/api/sales/emma"]
