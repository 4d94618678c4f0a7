"""What goes wrong at a PBX is told in a sentence, and mended as soon as it can be."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from flask import Flask

from callevents import create_app
from callevents.db.models import Connector, Pbx
from callevents.db.session import begin_write
from callevents.enums import ConnectorKind, ConnectorState
from callevents.extensions import app_state, db
from callevents.pbxs import connectors
from callevents.pbxs.connectors import ConnectorConfig
from callevents.processes.listener import backoff, io_loop
from tests.conftest import let_go
from tests.databases import SqliteDatabases
from tests.listener.conftest import SECRET, Listening, Serve, connect, find, told, wait_for_error
from tests.listener.esl_server import EslServer
from tests.listener.pbx_server import Babbler
from tests.listener.test_following import find_call, middle
from tests.ports import find_free_port
from tests.waiting import wait_until

Listen = Callable[[], Listening]
KINDS = ("asterisk", "freeswitch")


@pytest.fixture(scope="session")
def databases(sqlite: SqliteDatabases) -> SqliteDatabases:
    """SQLite only: what is tried here has nothing to do with the kind of database."""
    return sqlite


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who issues the certificates."""
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """The TLS settings of a PBX at 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def babble() -> Iterator[Callable[[bytes], int]]:
    """Starts something that is no PBX; returns its port."""
    started: list[Babbler] = []

    def babble(words: bytes) -> int:
        started.append(Babbler(words))
        return started[-1].port

    yield babble
    for babbler in started:
        babbler.close()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("asterisk", "Asterisk refuses the user 'callevents': it said 'Authentication failed'."),
        ("freeswitch", "FreeSWITCH refuses the password: it said '-ERR invalid'."),
    ],
)
def test_a_wrong_secret(
    pbx: Pbx,
    serve: Serve,
    listen: Listen,
    kind: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is tried again seldom, and at once when the right one is entered."""
    monkeypatch.setattr(backoff, "REFUSED_SECONDS", 1000.0)
    server = serve(kind)
    connect(pbx, kind, server.port, secret="wrong")
    listen()
    connector = wait_for_error(pbx, words)
    assert connector.state is ConnectorState.PAUSING
    assert "wrong" not in connector.last_error
    assert len(server.clients) == 1
    connect(pbx, kind, server.port)
    server.wait_for_listener()
    wait_until(lambda: find(pbx).state is ConnectorState.CONNECTED, "the connection")
    assert find(pbx).last_error == ""


def test_the_secret_is_never_sent_in_the_open(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """An Asterisk that gives no challenge does not get it."""
    server = serve("asterisk")
    server.challenge = ""  # type: ignore[attr-defined]  # an AmiServer's
    connect(pbx, "asterisk", server.port)
    listen()
    wait_for_error(pbx, "Asterisk gives no challenge to log in with")
    assert SECRET not in str([client.commands for client in server.clients])


@pytest.mark.parametrize("challenge", ["841415273", ""])
def test_tls(
    pbx: Pbx,
    serve: Serve,
    app: Flask,
    tls: ssl.SSLContext,
    authority: trustme.CA,
    tmp_path: Path,
    challenge: str,
) -> None:
    """With the authority of the setting it connects; only there the secret itself may be sent."""
    bundle = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(bundle))
    server = serve("asterisk", tls=tls)
    server.challenge = challenge  # type: ignore[attr-defined]  # an AmiServer's
    connect(pbx, "asterisk", server.port, uses_tls=True)
    settings = app_state(app).settings
    other = create_app(settings.model_copy(update={"ca_bundle": bundle}))
    listening = Listening(other)
    try:
        server.wait_for_listener()
    finally:
        listening.stop()
        let_go(other)


def test_tls_with_an_unknown_authority(
    pbx: Pbx, serve: Serve, listen: Listen, tls: ssl.SSLContext
) -> None:
    """Nothing is sent to a PBX whose certificate nobody vouches for."""
    server = serve("asterisk", tls=tls)
    connect(pbx, "asterisk", server.port, uses_tls=True)
    listen()
    wait_for_error(
        pbx,
        "No TLS with 127.0.0.1: its certificate is not trusted (unable to get local issuer "
        "certificate).",
    )
    assert server.clients == []


@pytest.mark.parametrize("kind", KINDS)
def test_tls_where_there_is_none(pbx: Pbx, serve: Serve, listen: Listen, kind: str) -> None:
    """A PBX that does not speak TLS is told as that."""
    connect(pbx, kind, serve(kind).port, uses_tls=True)
    listen()
    wait_for_error(pbx, "No TLS with 127.0.0.1: it may not speak TLS at this port")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "'SSH-2.0-OpenSSH_9.2p1'"),
        (b"\x00\x01\xff" + b"x" * 500, "x…'"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "'HTTP/1.1 400 Bad Request'"),
    ],
)
def test_something_that_is_no_pbx(
    pbx: Pbx,
    listen: Listen,
    babble: Callable[[bytes], int],
    kind: str,
    said: bytes,
    quoted: str,
) -> None:
    """What it said is quoted, short and harmless, so that one sees what it is."""
    connect(pbx, kind, babble(said))
    listen()
    error = wait_for_error(pbx, "it began with").last_error
    assert quoted in error
    assert error.startswith("This is no ")
    assert len(error) < 250
    assert error.isprintable()


def test_one_kind_is_not_the_other(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """An Asterisk where a FreeSWITCH should be is recognised by its banner."""
    connect(pbx, "freeswitch", serve("asterisk").port)
    listen()
    wait_for_error(pbx, "This is no FreeSWITCH event socket: it began with 'A")


def test_nobody_at_the_port(pbx: Pbx, listen: Listen) -> None:
    """Host and port are named, with the reason of the system."""
    port = find_free_port()
    connect(pbx, "asterisk", port)
    listen()
    error = wait_for_error(pbx, "cannot be reached").last_error
    assert error == f"127.0.0.1, port {port}, cannot be reached: connection refused."


def test_a_name_that_does_not_exist(pbx: Pbx, listen: Listen) -> None:
    """The name is named."""
    connect(pbx, "asterisk", 5038, host="pbx.invalid")
    listen()
    wait_for_error(pbx, "The name pbx.invalid has no address.")


def test_an_address_that_is_no_pbx_of_anybody(pbx: Pbx, listen: Listen) -> None:
    """Link-local addresses, where clouds keep their secrets, are not connected to."""
    connect(pbx, "asterisk", 80, host="169.254.169.254")
    listen()
    wait_for_error(pbx, "The address 169.254.169.254 is link-local")


def test_silence(
    pbx: Pbx, listen: Listen, babble: Callable[[bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is said, TLS may be what is missing."""
    monkeypatch.setattr(io_loop, "LOGIN_SECONDS", 0.1)
    connect(pbx, "asterisk", babble(b""))
    listen()
    wait_for_error(pbx, "If TLS is expected there, switch it on.")


def test_silence_after_the_banner(
    pbx: Pbx, listen: Listen, babble: Callable[[bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PBX that greets and then hangs is left after a while."""
    monkeypatch.setattr(io_loop, "LOGIN_SECONDS", 0.1)
    connect(pbx, "asterisk", babble(b"Asterisk Call Manager/9.0.0\r\n"))
    listen()
    wait_for_error(pbx, "The PBX did not answer to the log-in")


def test_a_freeswitch_that_lets_us_not_in(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """Its list of addresses is named, because the password would not help."""
    server = serve("freeswitch")
    assert isinstance(server, EslServer)
    server.rejects = True
    connect(pbx, "freeswitch", server.port)
    listen()
    wait_for_error(pbx, "apply-inbound-acl of event_socket.conf.xml")


def test_a_freeswitch_user(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """With a user's name it is the user who logs in."""
    server = serve("freeswitch")
    assert isinstance(server, EslServer)
    server.username = "101@pbx.local"
    connect(pbx, "freeswitch", server.port, username="101@pbx.local")
    listen()
    server.wait_for_listener()


def test_turned_away_at_once(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """As Asterisk does for addresses that permit does not name."""
    server = serve("asterisk")
    server.is_open = False
    connect(pbx, "asterisk", server.port)
    listen()
    wait_for_error(pbx, "closed the connection")


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_list_of_calls(pbx: Pbx, serve: Serve, listen: Listen, kind: str) -> None:
    """It is listened to all the same, and said what is missing; a cut ends no call."""
    parts, words = find_call(kind, {"asterisk": "s01", "freeswitch": "f01"}[kind])
    half = middle(parts, kind)
    server = serve(kind, lists_calls=False)
    connect(pbx, kind, server.port)
    listen()
    server.wait_for_listener()
    assert wait_for_error(pbx, "does not list the running calls").state == "connected"
    server.say(parts[:half])
    wait_until(lambda: len(told(pbx)) == 4, "the events before the cut")
    server.cut()
    server.wait_for_listener()
    server.say(parts[half:])
    wait_until(lambda: len(told(pbx)) >= len(words), "the events")
    assert told(pbx) == words


@pytest.mark.parametrize("kind", KINDS)
def test_a_pbx_that_is_silent_is_asked(pbx: Pbx, serve: Serve, app: Flask, kind: str) -> None:
    """While it answers, the connection stays; when it does not, a new one is made."""
    settings = app_state(app).settings
    quick = create_app(settings.model_copy(update={"listen_heartbeat_seconds": 0.2}))
    server = serve(kind)
    connect(pbx, kind, server.port)
    listening = Listening(quick)
    try:
        client = server.wait_for_listener()
        ping = {"asterisk": "Action: Ping", "freeswitch": "api uptime"}[kind]
        wait_until(
            lambda: len([one for one in client.commands if one.startswith(ping)]) > 2, "signs"
        )
        assert len(server.clients) == 1
        client.is_deaf = True
        wait_for_error(pbx, "has given no sign of life")
        server.wait_for_listener(2)
    finally:
        listening.stop()
        let_go(quick)


def test_garbage_in_the_stream(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """It is skipped and counted, and what follows is understood."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listen()
    client = server.wait_for_listener()
    client.send(b"\xff\x00 no line of theirs\r\n\r\n" + b"y" * 70_000 + b"\r\n")
    server.say(parts)
    wait_until(lambda: len(told(pbx)) >= len(words), "the events")
    assert told(pbx) == words
    wait_until(lambda: find(pbx).skipped == 2, "what was skipped")


def test_a_secret_that_no_key_decrypts(pbx: Pbx, listen: Listen) -> None:
    """It has to be entered again."""
    connect(pbx, "asterisk", 5038)
    begin_write()
    db.session.get_one(Connector, pbx.id).secret = "nonsense"
    db.session.commit()
    listen()
    wait_for_error(pbx, "cannot be decrypted")


def test_disabled_removed_and_set_again(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """Each change holds within a moment, and the PBX hears nothing more from us."""
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listen()
    client = server.wait_for_listener()
    connect(pbx, "asterisk", server.port, enabled=False)
    wait_until(lambda: not client.hears, "the end of the connection")
    connect(pbx, "asterisk", server.port)
    client = server.wait_for_listener(2)
    begin_write()
    connectors.remove_connector(pbx)
    db.session.commit()
    wait_until(lambda: not client.hears, "the end of the connection")


def test_extensions_that_are_added_count_at_once(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """A pattern counts beside the numbers; what only the pattern fits is proposed."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    begin_write()
    access = ConnectorConfig(
        kind=ConnectorKind.ASTERISK,
        host="127.0.0.1",
        port=server.port,
        username="callevents",
        secret=SECRET,
    )
    connectors.set_connector(pbx, replace(access, extension_pattern=r"10\d"))
    db.session.commit()
    listen()
    server.wait_for_listener()
    server.say(parts)
    wait_until(lambda: len(told(pbx)) >= len(words), "the events")
    assert told(pbx) == words


def test_a_pattern_that_is_none_stops_nobody(
    pbx: Pbx, serve: Serve, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    """It fits nothing, as the log says once; the listed extensions are followed."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    begin_write()
    find(pbx).extension_pattern = r"(?!9)10\d"
    db.session.commit()
    listen()
    server.wait_for_listener()
    server.say(parts)
    wait_until(lambda: len(told(pbx)) >= len(words), "the events")
    assert told(pbx) == words
    assert caplog.text.count("a pattern is ignored") == 1
