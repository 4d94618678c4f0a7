"""Extensions that a listener learns from PBXs on sockets, and proposes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import event

from callevents.db.models import Connector, Pbx, SeenExtension, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import connectors, extensions, suggestions
from callevents.processes.listener import discovery
from callevents.processes.listener.listener import RENEWALS
from callevents.vendors.tracking.fields import Message
from tests.listener.conftest import LEASE_SECONDS, Listening, Serve, connect, find, stored, told
from tests.listener.pbx_server import PbxServer
from tests.listener.test_following import find_call
from tests.waiting import wait_until

Listen = Callable[[], Listening]
CALLS = [("asterisk", "s01"), ("freeswitch", "f01")]


def endpoints(*names: str) -> list[Message]:
    """Return entries of PJSIPShowEndpoints as Asterisk documents them."""
    return [
        {
            "ObjectType": "endpoint",
            "ObjectName": name,
            "HttpClient": "transport-udp",
            "Aor": name,
            "Auths": f"{name}-auth",
            "OutboundAuths": "",
            "Contacts": f"{name}/sip:{name}@192.0.2.7:5060,",
            "DeviceState": "Not in use",
            "ActiveChannels": "",
        }
        for name in names
    ]


def peers(**names: str) -> list[Message]:
    """Return entries of SIPpeers, by names with what describes them."""
    return [
        {
            "Channeltype": "SIP",
            "ObjectName": name.removeprefix("x"),
            "ChanObjectType": "peer",
            "Dynamic": "yes",
            "Status": "OK (7 ms)",
            "Description": text,
        }
        for name, text in names.items()
    ]


def users(*numbers: str, domain: str = "pbx.example.com") -> list[Message]:
    """Return rows of FreeSWITCH's directory."""
    return [
        {"userid": one, "domain": domain, "effective_caller_id_name": f"Extension {one}"}
        for one in numbers
    ]


def registrations(*numbers: str, realm: str = "pbx.example.com") -> list[Message]:
    """Return rows of FreeSWITCH's registrations."""
    return [{"reg_user": one, "realm": realm, "url": f"sofia/internal/{one}"} for one in numbers]


def names(pbx: Pbx) -> dict[str, str]:
    """Return the numbers that are proposed, with their names."""
    db.session.rollback()
    return {one.number: one.name for one in suggestions.list_suggestions(pbx)}


def wait_for_list(pbx: Pbx, last: Connector | None = None) -> Connector:
    """Wait until the PBX has listed its extensions, and not only that last time."""
    known = (None, last.listed_at if last else None)
    wait_until(lambda: find(pbx).listed_at not in known, "a list")
    return find(pbx)


def ask(pbx: Pbx, last: Connector) -> Connector:
    """Have the PBX asked now; wait until it has listed its extensions."""
    begin_write()
    connectors.request_list(pbx)
    db.session.commit()
    return wait_for_list(pbx, last)


def start(pbx: Pbx, server: PbxServer, kind: str, listen: Listen, **values: str) -> Connector:
    """Listen to the server, and wait until it has listed its extensions."""
    connect(pbx, kind, server.port, **values)
    listen()
    return wait_for_list(pbx)


def test_asterisk_lists_its_phones(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """All lists count together; what is added already, trunks and things are not proposed."""
    server = serve("asterisk")
    server.phones = {
        "PJSIPShowEndpoints": endpoints("101", "201", "202", "trunk-berlin", "+4930123456"),
        "SIPpeers": peers(x202="", x301="Front desk"),
        "DeviceStateList": [
            {"Device": "PJSIP/203", "State": "NOT_INUSE"},
            {"Device": "PJSIP/204", "State": "INVALID"},
            {"Device": "IAX2/205", "State": "UNAVAILABLE"},
            {"Device": "Queue:500", "State": "NOT_INUSE"},
            {"Device": "Local/501", "State": "NOT_INUSE"},
        ],
    }
    connector = start(pbx, server, "asterisk", listen)
    assert names(pbx) == {"201": "", "202": "", "203": "", "205": "", "301": "Front desk"}
    assert (connector.listed, connector.list_notice, connector.skipped) == (6, "", 0)


def test_freeswitch_lists_its_phones(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """The directory with its names, and phones that are registered and not in a file of it."""
    server = serve("freeswitch")
    server.phones = {
        "list_users": [*users("101", "201", "202"), *users("201")],
        "registrations": [*registrations("201", realm="192.0.2.1"), *registrations("301")],
    }
    connector = start(pbx, server, "freeswitch", listen)
    assert names(pbx) == {"201": "Extension 201", "202": "Extension 202", "301": ""}
    assert (connector.listed, connector.list_notice, connector.skipped) == (4, "", 0)


def test_tenants_that_share_numbers(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """A number of two domains is proposed with its domain, as its calls tell it apart."""
    server = serve("freeswitch")
    server.phones = {
        "registrations": [
            *registrations("201", "202", realm="a.example"),
            *registrations("201", realm="b.example"),
        ]
    }
    start(pbx, server, "freeswitch", listen)
    assert set(names(pbx)) == {"201@a.example", "201@b.example", "202"}


def test_the_pattern_decides(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """Where there is a pattern it proposes what it fits, names too, and nothing else."""
    server = serve("asterisk")
    server.phones = {"PJSIPShowEndpoints": endpoints("201", "999", "anna", "2x1")}
    start(pbx, server, "asterisk", listen, extension_pattern="2[0-9]+|[a-z]+")
    assert set(names(pbx)) == {"201", "anna"}


@pytest.mark.parametrize(("kind", "number"), CALLS)
def test_a_refusal_is_harmless(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str, number: str
) -> None:
    """Where nothing is listed the page says why; calls are followed, and nothing is forgotten."""
    begin_write()
    db.session.add(SeenExtension(pbx_id=pbx.id, number="201", listed_at=utc_now()))
    db.session.commit()
    parts, words = find_call(kind, number)
    server = serve(kind)
    server.denies_lists = "Permission denied" if kind == "asterisk" else "-ERR permission denied"
    connector = start(pbx, server, kind, listen)
    assert "lists no extensions" in connector.list_notice
    assert "ermission denied" in connector.list_notice
    assert connector.last_error == ""
    assert connector.listed == 0
    server.say(parts)
    wait_until(lambda: len(told(pbx)) >= len(words), "the events")
    assert told(pbx) == words
    assert len(server.clients) == 1
    assert set(names(pbx)) == {"201"}


def test_actions_that_asterisk_does_not_know(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """One list is enough, and the others are no matter for anybody."""
    server = serve("asterisk")
    server.phones = {"SIPpeers": peers(x301="")}
    connector = start(pbx, server, "asterisk", listen)
    assert set(names(pbx)) == {"301"}
    assert (connector.list_notice, connector.last_error) == ("", "")
    server.phones = {}
    assert "Invalid/unknown command" in ask(pbx, connector).list_notice


@pytest.mark.parametrize(("kind", "number"), CALLS)
def test_long_lists_hold_up_no_calls(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str, number: str
) -> None:
    """Events between the entries are followed; of too many phones the first ones are taken."""
    parts, words = find_call(kind, number)
    numbers = [str(10_000 + one) for one in range(discovery.MAX_LISTED + 700)]
    server = serve(kind)
    server.phones = {
        "PJSIPShowEndpoints": endpoints(*numbers),
        "list_users": users(*numbers),
    }
    server.between = parts
    connector = start(pbx, server, kind, listen)
    wait_until(lambda: len(told(pbx)) >= len(words), "the events")
    assert told(pbx) == words
    assert connector.listed == discovery.MAX_LISTED
    assert "700 more" in connector.list_notice
    assert suggestions.count_suggestions(pbx) == discovery.MAX_LISTED
    assert len(names(pbx)) == suggestions.MAX_SUGGESTIONS
    assert find(pbx).skipped == 0


def test_leases_come_before_long_lists(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """Where storing a part takes long the lease is renewed before the next part."""
    server = serve("asterisk")
    server.phones = {"SIPpeers": peers(**{f"x{one}": "" for one in range(1000, 3100)})}
    with slow_parts() as done:
        connector = start(pbx, server, "asterisk", listen)
    assert connector.listed == suggestions.count_suggestions(pbx) == 2100
    parts = [i for i, one in enumerate(done) if one == "part"]
    assert len(parts) == 5
    assert all("lease" in done[one:other] for one, other in pairwise(parts))


@contextmanager
def slow_parts() -> Iterator[list[str]]:
    """Have each part of a list take as long as a lease may go without being renewed."""
    done: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO seen_extension"):
            done.append("part")
            is_due = time.monotonic() + LEASE_SECONDS / RENEWALS
            wait_until(lambda: time.monotonic() > is_due, "the time to renew the lease")
        elif statement.startswith("UPDATE connector SET leader_id"):
            done.append("lease")

    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        yield done
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)


@pytest.mark.parametrize("kind", ["asterisk", "freeswitch"])
def test_a_pbx_is_asked_after_each_log_in_and_when_it_is_wanted(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str
) -> None:
    """What came up since is proposed, what went away no more, and what was added neither."""
    server = serve(kind)
    server.phones = {
        "PJSIPShowEndpoints": endpoints("201", "202"),
        "registrations": registrations("201", "202"),
    }
    connector = start(pbx, server, kind, listen)
    assert set(names(pbx)) == {"201", "202"}
    server.phones = {
        "PJSIPShowEndpoints": endpoints("202", "203"),
        "registrations": registrations("202", "203"),
    }
    connector = ask(pbx, connector)
    assert set(names(pbx)) == {"202", "203"}
    begin_write()
    extensions.add_extension(pbx, "202")
    db.session.commit()
    server.cut()
    wait_for_list(pbx, connector)
    assert set(names(pbx)) == {"203"}
    asked = "PJSIPShowEndpoints" if kind == "asterisk" else "show registrations"
    commands = [one for client in server.clients for one in client.commands]
    assert sum(asked in command for command in commands) == 3
    assert stored(pbx) == []


def test_every_hour(
    pbx: Pbx, serve: Serve, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PBX that stays connected is asked again, though it says nothing by itself."""
    monkeypatch.setattr(discovery, "ASK_SECONDS", 0.3)
    server = serve("asterisk")
    server.phones = {"SIPpeers": peers(x301="")}
    connector = start(pbx, server, "asterisk", listen)
    for _ in range(2):
        connector = wait_for_list(pbx, connector)
    assert len(server.clients) == 1


def test_a_list_that_breaks_the_connection_is_let_alone(
    pbx: Pbx, serve: Serve, listen: Listen
) -> None:
    """Who is cut in the middle of a list does not ask for it at once again, for ever."""
    server = serve("asterisk")
    server.phones = {"SIPpeers": peers(x301="")}
    server.cuts_lists = True
    connect(pbx, "asterisk", server.port)
    listen()
    wait_until(lambda: len(server.clients) == 2 and server.clients[1].has_list, "another log-in")
    server.cuts_lists = False
    wait_until(lambda: find(pbx).connected_since, "the connection")
    assert ask(pbx, find(pbx)).listed == 1
    commands = [one for client in server.clients for one in client.commands]
    assert sum("SIPpeers" in command for command in commands) == 2
