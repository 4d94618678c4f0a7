"""Extensions that a listener discovers and suggests."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import event

from callevents.db.models import Connector, Pbx, SeenExtension, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import connectors, extensions, suggestions
from callevents.processes.listener import discovery
from callevents.processes.listener.listener import RENEWALS_PER_LEASE
from callevents.vendors.tracking.fields import Message
from tests.processes.listener.conftest import (
    LEASE_SECONDS,
    QUICK,
    Listening,
    Serve,
    connect,
    find,
    stored,
    texts,
)
from tests.processes.listener.test_follower import find_call
from tests.support.pbx_server import PbxServer
from tests.support.waiting import wait_until

Listen = Callable[..., Listening]
CALLS = [("asterisk", "s01"), ("freeswitch", "f01")]


def endpoints(*names: str) -> list[Message]:
    """Return entries of PJSIPShowEndpoints as documented by Asterisk."""
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
    """Return entries of SIPpeers from names and descriptions."""
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
    """Return the suggested numbers with their names."""
    db.session.rollback()
    return {one.number: one.name for one in suggestions.list_suggestions(pbx)}


def wait_for_list(pbx: Pbx, last: Connector | None = None) -> Connector:
    """Wait for a list that is newer than the last one."""
    known = (None, last.listed_at if last else None)
    wait_until(lambda: find(pbx).listed_at not in known, "a list")
    return find(pbx)


def ask(pbx: Pbx, last: Connector) -> Connector:
    """Request the list now; wait until it is stored."""
    begin_write()
    connectors.request_list(pbx)
    db.session.commit()
    return wait_for_list(pbx, last)


def start(pbx: Pbx, server: PbxServer, kind: str, listen: Listen, **values: str) -> Connector:
    """Connect to the server, and wait until its list is stored."""
    connect(pbx, kind, server.port, **values)
    listen()
    return wait_for_list(pbx)


def test_asterisk_lists_its_phones(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """All lists are merged; existing extensions, trunks and names are not suggested."""
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
    """The directory with names, and registered phones that are not in it."""
    server = serve("freeswitch")
    server.phones = {
        "list_users": [*users("101", "201", "202"), *users("201")],
        "registrations": [*registrations("201", realm="192.0.2.1"), *registrations("301")],
    }
    connector = start(pbx, server, "freeswitch", listen)
    assert names(pbx) == {"201": "Extension 201", "202": "Extension 202", "301": ""}
    assert (connector.listed, connector.list_notice, connector.skipped) == (4, "", 0)


def test_tenants_that_share_numbers(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """A number in two domains is suggested with its domain, as its calls are reported."""
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
    """With a pattern, only numbers and names that match are suggested."""
    server = serve("asterisk")
    server.phones = {"PJSIPShowEndpoints": endpoints("201", "999", "anna", "2x1")}
    start(pbx, server, "asterisk", listen, extension_pattern="2[0-9]+|[a-z]+")
    assert set(names(pbx)) == {"201", "anna"}


@pytest.mark.parametrize(("kind", "number"), CALLS)
def test_a_refusal_is_harmless(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str, number: str
) -> None:
    """If lists are refused, the page shows the reason; calls are followed, suggestions are kept."""
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
    wait_until(lambda: len(texts(pbx)) >= len(words), "the events")
    assert texts(pbx) == words
    assert len(server.clients) == 1
    assert set(names(pbx)) == {"201"}


def test_actions_that_asterisk_does_not_know(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """One list is enough; unknown actions are not reported as errors."""
    server = serve("asterisk")
    server.phones = {"SIPpeers": peers(x301="")}
    connector = start(pbx, server, "asterisk", listen)
    assert set(names(pbx)) == {"301"}
    assert (connector.list_notice, connector.last_error) == ("", "")
    server.phones = {}
    assert "Invalid/unknown command" in ask(pbx, connector).list_notice


@pytest.mark.parametrize("is_listed", [False, True])
def test_an_asterisk_that_has_just_restarted(
    pbx: Pbx, serve: Serve, listen: Listen, is_listed: bool
) -> None:
    """While modules load, lists are empty or unknown: no error, no suggestion is removed.

    The listener asks again after a while, once; then the result counts.
    """
    server = serve("asterisk")
    server.phones = {"SIPpeers": peers(x301="")}
    connector = start(pbx, server, "asterisk", listen)
    server.phones = {"DeviceStateList": []} if is_listed else {}
    asked = count_asked(server)
    server.cut()
    connector = wait_for_list(pbx, connector)
    assert count_asked(server) == asked + 2
    assert connector.listed == 0
    assert ("lists no extensions" in connector.list_notice) is not is_listed
    assert set(names(pbx)) == (set() if is_listed else {"301"})


def test_suggestions_survive_until_modules_are_loaded(
    pbx: Pbx, serve: Serve, listen: Listen
) -> None:
    """The empty list after a restart is not stored: the suggestions are those of the next one."""
    server = serve("asterisk")
    server.phones = {"SIPpeers": peers(x301="")}
    slow = partial(listen, replace(QUICK, empty_list_retry_seconds=2))
    connector = start(pbx, server, "asterisk", slow)
    server.phones = {"SIPpeers": []}
    asked = count_asked(server)
    server.cut()
    wait_until(lambda: count_asked(server) > asked, "the empty list")
    server.phones = {"SIPpeers": peers(x301="", x302="")}
    assert set(names(pbx)) == {"301"}
    wait_for_list(pbx, connector)
    assert set(names(pbx)) == {"301", "302"}


def count_asked(server: PbxServer) -> int:
    """Return how often listeners have asked for the devices' states."""
    commands = [one for client in server.clients for one in client.commands]
    return sum("DeviceStateList" in command for command in commands)


def test_only_phones_of_the_domain_are_suggested(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """Of two tenants on one FreeSWITCH, the connector's; numbers stay without their domain."""
    server = serve("freeswitch")
    server.phones = {
        "list_users": users("201", domain="a.example"),
        "registrations": [
            *registrations("201", realm="b.example"),
            *registrations("202", realm="A.example"),
            *registrations("203", realm="b.example"),
        ],
    }
    start(pbx, server, "freeswitch", listen, domain="a.example")
    assert names(pbx) == {"201": "Extension 201", "202": ""}


@pytest.mark.parametrize(("kind", "number"), CALLS)
def test_long_lists_do_not_delay_calls(
    pbx: Pbx, serve: Serve, listen: Listen, kind: str, number: str
) -> None:
    """Events between the entries are processed; of too many phones the first ones are used."""
    parts, words = find_call(kind, number)
    numbers = [str(10_000 + one) for one in range(discovery.MAX_LISTED + 700)]
    server = serve(kind)
    server.phones = {
        "PJSIPShowEndpoints": endpoints(*numbers),
        "list_users": users(*numbers),
    }
    server.between = parts
    connector = start(pbx, server, kind, listen)
    wait_until(lambda: len(texts(pbx)) >= len(words), "the events")
    assert texts(pbx) == words
    assert connector.listed == discovery.MAX_LISTED
    assert "700 more" in connector.list_notice
    assert suggestions.count_suggestions(pbx) == discovery.MAX_LISTED
    assert len(names(pbx)) == suggestions.MAX_SUGGESTIONS
    assert find(pbx).skipped == 0


def test_leases_come_before_long_lists(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """If storing a batch takes long, the lease is renewed before the next batch."""
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
    """Make each batch take as long as the renewal interval."""
    done: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO seen_extension"):
            done.append("part")
            is_due = time.monotonic() + LEASE_SECONDS / RENEWALS_PER_LEASE
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
    """New phones are suggested, removed phones and existing extensions are not."""
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


def test_every_hour(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """A connected PBX is asked again periodically, even if it sends nothing."""
    server = serve("asterisk")
    server.phones = {"SIPpeers": peers(x301="")}
    listen_often = partial(listen, replace(QUICK, request_interval_seconds=0.3))
    connector = start(pbx, server, "asterisk", listen_often)
    for _ in range(2):
        connector = wait_for_list(pbx, connector)
    assert len(server.clients) == 1


def test_a_list_that_breaks_the_connection_is_delayed(
    pbx: Pbx, serve: Serve, listen: Listen
) -> None:
    """After a disconnect during a list, the list is not requested again at once."""
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
