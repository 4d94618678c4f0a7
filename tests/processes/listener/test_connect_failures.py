"""Connection problems have an error message, and are retried."""

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
from tests.conftest import let_go
from tests.processes.listener.conftest import (
    QUICK,
    SECRET,
    Listening,
    Serve,
    connect,
    find,
    texts,
    wait_for_error,
)
from tests.processes.listener.test_follower import find_call, middle
from tests.support.databases import SqliteDatabases
from tests.support.esl_server import EslServer
from tests.support.pbx_server import Babbler
from tests.support.ports import find_free_port
from tests.support.waiting import wait_until

Listen = Callable[..., Listening]
KINDS = ("asterisk", "freeswitch")


@pytest.fixture(scope="session")
def databases(sqlite: SqliteDatabases) -> SqliteDatabases:
    """SQLite only: the database does not matter here."""
    return sqlite


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The certificate authority."""
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS settings of a PBX at 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def babble() -> Iterator[Callable[[bytes], int]]:
    """Starts a server that is no PBX; returns its port."""
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
def test_a_wrong_secret(pbx: Pbx, serve: Serve, listen: Listen, kind: str, words: str) -> None:
    """It is retried after a long delay, and at once when the connector changes."""
    server = serve(kind)
    connect(pbx, kind, server.port, secret="wrong")
    listen(replace(QUICK, refused_delay_seconds=1000.0))
    connector = wait_for_error(pbx, words)
    assert connector.state is ConnectorState.PAUSING
    assert "wrong" not in connector.last_error
    assert len(server.clients) == 1
    connect(pbx, kind, server.port)
    server.wait_for_listener()
    wait_until(lambda: find(pbx).state is ConnectorState.CONNECTED, "the connection")
    assert find(pbx).last_error == ""


def test_the_secret_is_never_sent_unencrypted(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """An Asterisk without a challenge does not get it."""
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
    """It connects with the configured CA; only over TLS the secret itself may be sent."""
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
    """Nothing is sent to a PBX with an untrusted certificate."""
    server = serve("asterisk", tls=tls)
    connect(pbx, "asterisk", server.port, uses_tls=True)
    listen()
    wait_for_error(
        pbx,
        "TLS connection to 127.0.0.1 failed: the certificate is not trusted (unable to get local "
        "issuer certificate).",
    )
    assert server.clients == []


@pytest.mark.parametrize("kind", KINDS)
def test_tls_where_there_is_none(pbx: Pbx, serve: Serve, listen: Listen, kind: str) -> None:
    """The error says that the port may not use TLS."""
    connect(pbx, kind, serve(kind).port, uses_tls=True)
    listen()
    wait_for_error(pbx, "TLS connection to 127.0.0.1 failed: the port may not use TLS")


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
    """The error quotes its first bytes, shortened and printable."""
    connect(pbx, kind, babble(said))
    listen()
    error = wait_for_error(pbx, "it began with").last_error
    assert quoted in error
    assert error.startswith("This is no ")
    assert len(error) < 250
    assert error.isprintable()


def test_wrong_pbx_type(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """An Asterisk where a FreeSWITCH should be is recognised by its banner."""
    connect(pbx, "freeswitch", serve("asterisk").port)
    listen()
    wait_for_error(pbx, "This is no FreeSWITCH event socket: it began with 'A")


def test_connection_refused(pbx: Pbx, listen: Listen) -> None:
    """The error names host, port and the system's reason."""
    port = find_free_port()
    connect(pbx, "asterisk", port)
    listen()
    error = wait_for_error(pbx, "Cannot connect to").last_error
    assert error == f"Cannot connect to 127.0.0.1, port {port}: connection refused."


def test_a_name_that_does_not_exist(pbx: Pbx, listen: Listen) -> None:
    """The error names the host."""
    connect(pbx, "asterisk", 5038, host="pbx.invalid")
    listen()
    wait_for_error(pbx, "Cannot resolve the host name pbx.invalid.")


@pytest.mark.parametrize("host", ["169.254.169.254", "100.100.100.200", "fd00:ec2::254"])
def test_metadata_addresses(pbx: Pbx, listen: Listen, host: str) -> None:
    """Addresses where clouds serve secrets are refused, also within networks of PBXs."""
    connect(pbx, "asterisk", 80, host=host)
    listen()
    wait_for_error(pbx, f"{host} is an address where clouds serve secrets.")


def test_freeswitch_refuses_the_address(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """The error names the address list, because the password would not help."""
    server = serve("freeswitch")
    assert isinstance(server, EslServer)
    server.rejects = True
    connect(pbx, "freeswitch", server.port)
    listen()
    wait_for_error(pbx, "apply-inbound-acl of event_socket.conf.xml")


def test_a_freeswitch_user(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """With a username, the login is a user's."""
    server = serve("freeswitch")
    assert isinstance(server, EslServer)
    server.username = "101@pbx.local"
    connect(pbx, "freeswitch", server.port, username="101@pbx.local")
    listen()
    server.wait_for_listener()


def test_connection_closed_at_once(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """Asterisk does so for addresses that `permit` does not allow."""
    server = serve("asterisk")
    server.is_open = False
    connect(pbx, "asterisk", server.port)
    listen()
    wait_for_error(pbx, "The PBX closed the connection immediately")


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_list_of_calls(pbx: Pbx, serve: Serve, listen: Listen, kind: str) -> None:
    """The PBX is followed, the error names what is missing, and a disconnect ends no call."""
    parts, words = find_call(kind, {"asterisk": "s01", "freeswitch": "f01"}[kind])
    half = middle(parts, kind)
    server = serve(kind, lists_calls=False)
    connect(pbx, kind, server.port)
    listen()
    server.wait_for_listener()
    assert wait_for_error(pbx, "does not list the running calls").state == "connected"
    server.say(parts[:half])
    wait_until(lambda: len(texts(pbx)) == 4, "the events before the cut")
    server.cut()
    server.wait_for_listener()
    server.say(parts[half:])
    wait_until(lambda: len(texts(pbx)) >= len(words), "the events")
    assert texts(pbx) == words


def test_a_notice_is_not_renewed_with_each_call(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """Callers can cause one: the next one of this connection is shown after a minute."""
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listen()
    server.wait_for_listener()
    server.say([b"Cause: 17\r\n\r\n"])
    shown = wait_for_error(pbx, "1 message contained text")
    first = shown.last_error_at
    server.say([b"Cause: 17\r\n\r\n"])
    wait_until(lambda: find(pbx).skipped == 2, "the second text")
    assert find(pbx).last_error.startswith("1 message contained text")
    assert find(pbx).last_error_at == first


@pytest.mark.parametrize("kind", KINDS)
def test_an_idle_pbx_is_pinged(pbx: Pbx, serve: Serve, app: Flask, kind: str) -> None:
    """The connection stays while it responds, and is replaced when it does not."""
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
        wait_for_error(pbx, "The PBX has not responded for")
        server.wait_for_listener(2)
    finally:
        listening.stop()
        let_go(quick)


def test_garbage_in_the_stream(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """It is skipped and counted, and later messages are read."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listen()
    client = server.wait_for_listener()
    client.send(b"\xff\x00 no line of theirs\r\n\r\n" + b"y" * 70_000 + b"\r\n")
    server.say(parts)
    wait_until(lambda: len(texts(pbx)) >= len(words), "the events")
    assert texts(pbx) == words
    wait_until(lambda: find(pbx).skipped == 2, "what was skipped")


def test_a_secret_that_no_key_decrypts(pbx: Pbx, listen: Listen) -> None:
    """The error asks to enter it again."""
    connect(pbx, "asterisk", 5038)
    begin_write()
    db.session.get_one(Connector, pbx.id).secret = "nonsense"
    db.session.commit()
    listen()
    wait_for_error(pbx, "cannot be decrypted")


def test_disabled_removed_and_set_again(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """Each change takes effect at once and closes the connection."""
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
    """Numbers that match the pattern count as extensions, and are suggested."""
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
    wait_until(lambda: len(texts(pbx)) >= len(words), "the events")
    assert texts(pbx) == words


def test_an_invalid_pattern_is_ignored(
    pbx: Pbx, serve: Serve, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    """It matches nothing, which is logged once; the added extensions are followed."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    begin_write()
    find(pbx).extension_pattern = r"(?!9)10\d"
    db.session.commit()
    listen()
    server.wait_for_listener()
    server.say(parts)
    wait_until(lambda: len(texts(pbx)) >= len(words), "the events")
    assert texts(pbx) == words
    assert caplog.text.count("invalid extension pattern ignored") == 1
