"""Sessions with PBXs: the exact bytes sent in response to received ones."""

from hashlib import md5

import pytest

from callevents.vendors.asterisk import AmiSession
from callevents.vendors.freeswitch import EventSocketSession
from callevents.vendors.freeswitch.esl import MAX_BODY_BYTES
from callevents.vendors.freeswitch.session import EVENTS
from callevents.vendors.tracking.session import RefusedError, Session, SessionError

#: The random part of action IDs.
NONCE = "5eed"
BANNER = b"Asterisk Call Manager/9.0.0\r\n"
EVENT = b"Event: DeviceStateChange\r\nPrivilege: call,all\r\nDevice: PJSIP/101\r\n\r\n"


def ami(**options: bool) -> AmiSession:
    """Return a session of the user `me`."""
    return AmiSession(username="me", secret="geheim", nonce=NONCE, **options)


def esl(username: str = "") -> EventSocketSession:
    """Return a session with a password."""
    return EventSocketSession(username=username, secret="geheim")


def say(session: Session, text: str | bytes) -> tuple[str, int]:
    """Receive text; return the session's reply and the number of messages for the tracker."""
    data = text if isinstance(text, bytes) else text.encode()
    count = len(list(session.receive(data)))
    return session.take_outgoing().decode(), count


def respond(name: str, **values: str) -> str:
    """Return a response to the action of that name."""
    lines = {"Response": "Success", "ActionID": f"callevents-{name}-{NONCE}", **values}
    return "".join(f"{key}: {value}\r\n" for key, value in lines.items()) + "\r\n"


def test_asterisk_log_in() -> None:
    """Challenge, login, subscription to one class, list of calls; the secret is never sent."""
    session = ami()
    assert say(session, BANNER[:10]) == ("", 0)
    first, _ = say(session, BANNER[10:])
    assert first == (
        "Action: Challenge\r\nActionID: callevents-challenge-5eed\r\nAuthType: MD5\r\n\r\n"
    )
    login, _ = say(session, respond("challenge", Challenge="12345"))
    key = md5(b"12345geheim").hexdigest()
    assert f"Username: me\r\nEvents: off\r\nAuthType: MD5\r\nKey: {key}\r\n" in login
    assert say(session, EVENT) == ("", 0), "what comes before the log-in is nobody's"
    assert not session.is_ready
    after, _ = say(session, respond("login", Message="Authentication accepted"))
    assert session.is_ready
    assert after == (
        "Action: Events\r\nActionID: callevents-events-5eed\r\nEventMask: call,agent\r\n\r\n"
        "Action: CoreShowChannels\r\nActionID: callevents-list-5eed\r\n\r\n"
    )
    assert say(session, EVENT) == ("", 1)
    session.ping()
    assert session.take_outgoing() == b"Action: Ping\r\nActionID: callevents-ping-5eed\r\n\r\n"
    assert say(session, respond("ping", Ping="Pong")) == ("", 0)


def test_a_response_in_a_number_is_none_of_asterisk() -> None:
    """A caller does not know the random part of an action's ID: nothing ends or is listed."""
    session = ami()
    say(session, BANNER + respond("challenge", Challenge="1").encode() + respond("login").encode())
    for action in ("events", "login", "list", "peers"):
        forged = f"Response: Error\r\nActionID: callevents-{action}\r\nMessage: No\r\n\r\n"
        assert say(session, forged) == ("", 0)
        rows = f"Event: CoreShowChannelsComplete\r\nActionID: callevents-{action}\r\n\r\n"
        assert say(session, rows) == ("", 0)
    assert (session.is_ready, session.notice) == (True, "")
    true = f"Event: CoreShowChannelsComplete\r\nActionID: callevents-list-{NONCE}\r\n\r\n"
    assert say(session, true) == ("", 1)


def test_forged_messages_are_shown() -> None:
    """The page shows how many there were; they count as skipped."""
    session = ami()
    say(session, BANNER + respond("challenge", Challenge="1").encode() + respond("login").encode())
    say(session, EVENT)
    say(session, "Cause: 17\r\n\r\n")
    assert session.notice == (
        "1 message contained text that Asterisk would not write, from a caller's number? It was "
        "ignored."
    )
    say(session, "Cause: 17\r\n\r\n")
    assert session.notice.startswith("2 messages contained text that Asterisk would not write")
    assert session.broken == 2
    say(session, respond("list", Response="Error", Message="Permission denied"))
    say(session, "Cause: 17\r\n\r\n")
    assert session.notice.startswith("Asterisk does not list the running calls"), "more important"
    assert session.broken == 3


def test_a_first_session_has_its_own_ids() -> None:
    """Each session has another random part."""
    ids = set()
    for _ in range(2):
        session = AmiSession(username="me", secret="geheim")
        say(session, BANNER)
        session.ping()
        ids.add(session.take_outgoing())
    assert len(ids) == 2


def test_asterisk_without_challenge() -> None:
    """The secret itself is sent only over an encrypted connection."""
    open_one, encrypted = ami(), ami(is_encrypted=True)
    for session in (open_one, encrypted):
        say(session, BANNER)
    refusal = respond("challenge", Response="Error", Message="unknown command")
    with pytest.raises(SessionError, match="Use TLS"):
        say(open_one, refusal)
    assert "geheim" not in open_one.take_outgoing().decode()
    login, _ = say(encrypted, refusal)
    assert "Secret: geheim\r\n" in login


def test_asterisk_refuses_the_mask() -> None:
    """A refused subscription is an error."""
    session = ami()
    say(session, BANNER + respond("challenge", Challenge="1").encode() + respond("login").encode())
    with pytest.raises(SessionError, match="sends no events"):
        say(session, respond("events", Response="Error", Message="Permission denied"))


def test_freeswitch_log_in() -> None:
    """Password, subscription, list; the tracker gets only the list and events."""
    session = esl()
    assert say(session, "Content-Type: auth/request\n\n") == ("auth geheim\n\n", 0)
    subscribe, _ = say(session, reply("+OK accepted"))
    assert subscribe == f"event plain {' '.join(EVENTS)}\n\n"
    assert say(session, reply("+OK event listener enabled plain")) == (
        "api show channels as json\n\n",
        0,
    )
    assert session.is_ready
    session.ping()
    assert session.take_outgoing() == b"api uptime\n\n"
    body = '{"row_count":0}'
    assert say(session, f"Content-Type: api/response\nContent-Length: {len(body)}\n\n{body}") == (
        "",
        1,
    )
    assert say(session, "Content-Type: api/response\nContent-Length: 2\n\n{}") == ("", 0)
    event = "Event-Name: CHANNEL_CREATE\nUnique-ID: 1\n\n"
    assert say(session, f"Content-Length: {len(event)}\nContent-Type: text/event-plain\n\n{event}")


def reply(words: str) -> str:
    """Return FreeSWITCH's answer to a command."""
    return f"Content-Type: command/reply\nReply-Text: {words}\n\n"


def test_freeswitch_user() -> None:
    """Users log in with another command."""
    say_user, _ = say(esl("101@pbx"), "Content-Type: auth/request\n\n")
    assert say_user == "userauth 101@pbx:geheim\n\n"


def test_freeswitch_refusals() -> None:
    """Each refusal has an error message; a wrong password counts as a refused login."""
    session = esl()
    say(session, "Content-Type: auth/request\n\n")
    with pytest.raises(RefusedError, match="refuses the password"):
        say(session, reply("-ERR invalid"))
    session = esl()
    say(session, "Content-Type: auth/request\n\n" + reply("+OK accepted"))
    with pytest.raises(SessionError, match="sends no events"):
        say(session, reply("-ERR no keywords supplied"))
    with pytest.raises(SessionError, match="has ended the connection"):
        say(esl(), "Content-Type: text/disconnect-notice\nContent-Length: 0\n\n")
    with pytest.raises(RefusedError, match="refuses our address"):
        say(esl(), "Content-Type: text/rude-rejection\nContent-Length: 0\n\n")


def test_an_unexpected_response() -> None:
    """It is ignored."""
    session = esl()
    say(session, "Content-Type: auth/request\n\n" + reply("+OK accepted"))
    say(session, reply("+OK") + reply("+OK more") + reply("+OK again"))
    assert session.is_ready


@pytest.mark.parametrize(
    ("endpoints", "is_whole"),
    [
        ("No endpoints found", True),
        ("Invalid/unknown command: PJSIPShowEndpoints. Use Action: ListCommands to", True),
        ("Permission denied", False),
        ("Failed to allocate", False),
    ],
)
def test_asterisk_refuses_one_list(endpoints: str, is_whole: bool) -> None:
    """The list is incomplete, unless Asterisk has no such list or it is empty."""
    session = ami()
    session.request_extensions()
    say(session, BANNER)
    say(session, respond("endpoints", Response="Error", Message=endpoints))
    for name in ("peers", "devices"):
        say(session, f"Event: {name}Complete\r\nActionID: callevents-{name}-{NONCE}\r\n\r\n")
    listing = session.extensions.take()
    assert listing is not None
    assert (listing.is_whole, listing.is_refused) == (is_whole, False)


DENIED = "Permission denied"
UNKNOWN = "Invalid/unknown command: X. Use Action: ListCommands to show available commands."


@pytest.mark.parametrize(
    ("replies", "may_be_early", "words"),
    [
        (
            (DENIED, UNKNOWN, UNKNOWN),
            True,
            "It said 'Permission denied' to PJSIPShowEndpoints, 'Invalid/unknown command' to "
            "SIPpeers, 'Invalid/unknown command' to DeviceStateList. Load the module "
            "res_manager_devicestate,",
        ),
        (
            (DENIED, UNKNOWN, DENIED),
            True,
            "'Permission denied' to DeviceStateList. Give the user write = reporting",
        ),
        ((DENIED, DENIED, DENIED), False, "Give the user write = reporting in manager.conf,"),
    ],
)
def test_a_refusal_is_quoted_for_its_own_list(
    replies: tuple[str, ...], may_be_early: bool, words: str
) -> None:
    """Without `system`, Asterisk always denies one list; the others may not be loaded yet."""
    session = ami()
    session.request_extensions()
    say(session, BANNER)
    for name, message in zip(("endpoints", "peers", "devices"), replies, strict=True):
        say(session, respond(name, Response="Error", Message=message))
    listing = session.extensions.take()
    assert listing is not None
    assert (listing.is_refused, listing.may_be_early) == (True, may_be_early)
    assert words in session.explain_refusals(listing.refusals)


@pytest.mark.parametrize(
    ("users", "is_whole"),
    [("-ERR list_users Command not found!", True), ("-ERR permission denied", False)],
)
def test_freeswitch_refuses_one_list(users: str, is_whole: bool) -> None:
    """Registrations alone are incomplete, unless FreeSWITCH has no other list."""
    session = esl()
    session.request_extensions()
    say(session, f"Content-Type: command/reply\nReply-Text: {users}\n\n")
    say(session, 'Content-Type: api/response\nContent-Length: 15\n\n{"row_count":0}')
    listing = session.extensions.take()
    assert listing is not None
    assert (listing.is_whole, listing.is_refused) == (is_whole, False)


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "many"])
def test_freeswitch_sends_a_response_that_is_too_long(length: str) -> None:
    """It ends the session with an error: skipping it would misalign later responses."""
    session = esl()
    session.request_extensions()
    with pytest.raises(SessionError, match="announces an answer of '"):
        say(session, f"Content-Type: api/response\nContent-Length: {length}\n\nuserid|")
