"""One attempt over real sockets, with every kind of receiver."""

import socket
import string
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from callevents.config import Settings
from callevents.delivery.request import Recipe, build_request
from callevents.delivery.transport import MAX_RESPONSE_BYTES, Answer, Transport
from callevents.enums import AuthKind, Method
from callevents.errors import InvalidError
from callevents.urls import check_url
from tests.delivery.conftest import MakeTransport, Serve
from tests.delivery.raw import (
    OK,
    OK_AND_CLOSE,
    Connection,
    RawServer,
    answers,
    hangs,
    keeps_alive,
)
from tests.waiting import wait_until

CLOSED_EARLY = "The receiver closed the connection before it had answered."
NO_HTTP = "What the receiver answered is not HTTP."
TOO_LONG = "The attempt as a whole took too long and was ended."


def get(transport: Transport, url: str) -> Answer:
    """Send a GET with one parameter."""
    return transport.send(build_request(Recipe(Method.GET, url), [("CallID", "c1")]))


def head(status: str, *lines: str) -> bytes:
    """Return an answer's head."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "204 No Content", "299 Custom"])
def test_any_2xx_is_success(transport: Transport, serve: Serve, status: str) -> None:
    """Every 2xx takes the delivery; the answer's head is noted."""
    server = serve(answers(head(status, "X-Id: 7", "Content-Length: 0")))
    answer = get(transport, server.url)
    assert answer.is_success
    assert (answer.error, answer.status_code) == ("", int(status[:3]))
    assert answer.headers == [["X-Id", "7"], ["Content-Length", "0"]]
    assert answer.duration_ms >= 0


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("500 Oops", "The receiver answered 500 Internal Server Error."),
        ("404 Not Found", "The receiver answered 404 Not Found."),
        ("599 Odd", "The receiver answered 599."),
        ("999 Odd", "The receiver answered 999."),
        ("304 Not Modified", "The receiver answered 304 Not Modified."),
        ("103 Early Hints", "The receiver answered 103 Early Hints."),
    ],
)
def test_other_statuses_are_failures(
    transport: Transport, serve: Serve, status: str, sentence: str
) -> None:
    """Everything but 2xx fails with the status in the sentence, and keeps the body."""
    server = serve(answers(head(status) + b"why"))
    answer = get(transport, server.url)
    assert not answer.is_success
    assert (answer.error, answer.status_code) == (sentence, int(status[:3]))


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 T", "308 P"])
def test_redirects_are_named_and_not_followed(
    transport: Transport, serve: Serve, status: str
) -> None:
    """A redirect fails with its target in the sentence, and the target is left alone."""
    target = serve(answers(OK))
    server = serve(answers(head(status, f"Location: {target.url}/in", "Content-Length: 0")))
    answer = get(transport, server.url)
    assert answer.error == f"The receiver redirects to {target.url}/in; redirects are not followed."
    assert answer.status_code == int(status[:3])
    assert target.accepted == 0


def test_nothing_listens(transport: Transport) -> None:
    """A refused connection is told as that."""
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    answer = get(transport, f"http://127.0.0.1:{port}/")
    assert answer.error == "The connection was refused: nothing listens at that address and port."
    assert (answer.status_code, answer.headers, answer.body) == (None, [], "")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Le",
        head("200 OK", "Content-Length: 100") + b"abc",
        head("200 OK", "Transfer-Encoding: chunked") + b"10\r\nabc",
        head("200 OK", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n",
    ],
    ids=[
        "at once",
        "in the first line",
        "after the first line",
        "in a header",
        "in the body",
        "in a chunk",
        "between chunks",
    ],
)
def test_receiver_closes_too_early(transport: Transport, serve: Serve, data: bytes) -> None:
    """A connection that is closed before the whole answer is a failure."""
    assert get(transport, serve(answers(data)).url).error == CLOSED_EARLY


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"hello\n",
        bytes(range(256)) * 4,
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
    ids=["ssh", "text", "bytes", "word", "99", "tls alert", "200 headers", "long line"],
)
def test_answer_is_not_http(transport: Transport, serve: Serve, data: bytes) -> None:
    """What cannot be read as HTTP is told as that."""
    assert get(transport, serve(answers(data)).url).error == NO_HTTP


def test_silence_before_the_answer(make_transport: MakeTransport, serve: Serve) -> None:
    """A receiver that does not begin to answer is left after the time for reading."""
    transport = make_transport(read_timeout_seconds=0.3)
    server = serve(hangs)
    assert get(transport, server.url).error == "No answer within 0.3 seconds."
    assert len(server.requests) == 1


def test_silence_in_the_answer(make_transport: MakeTransport, serve: Serve) -> None:
    """A receiver that falls silent in the middle is left as well."""

    def talk(connection: Connection) -> None:
        answers(head("200 OK", "Content-Length: 10") + b"abc")(connection)
        connection.wait_until_closed()

    transport = make_transport(read_timeout_seconds=0.3)
    assert get(transport, serve(talk).url).error == "No answer within 0.3 seconds."


@contextmanager
def full_listener() -> Iterator[int]:
    """Give the port of a listener on 127.0.0.1 that takes no connections: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_no_connection_in_time(make_transport: MakeTransport) -> None:
    """A receiver that does not take the connection is told as that, with the time for it."""
    transport = make_transport(connect_timeout_seconds=0.3)
    with full_listener() as port:
        answer = get(transport, f"http://127.0.0.1:{port}/")
    assert answer.error == "No connection within 0.3 seconds."


@pytest.mark.parametrize(
    "beginning",
    [
        head("200 OK"),
        head("200 OK", "Content-Length: 100000"),
        head("200 OK", "Transfer-Encoding: chunked") + b"ffff\r\n",
        b"HTTP/1.1 200 OK\r\nX-Drip: ",
        b"HTTP/1.1 ",
    ],
    ids=["until closed", "with a length", "in a chunk", "in the head", "in the status"],
)
def test_dripping_receiver_is_ended(
    make_transport: MakeTransport, serve: Serve, beginning: bytes
) -> None:
    """However a receiver drips its answer, the attempt ends when its time is up."""
    gone = threading.Event()

    def talk(connection: Connection) -> None:
        answers(beginning)(connection)
        for _ in range(1000):
            try:
                connection.send(b"x")
            except OSError:
                gone.set()  # The client has closed.
            if gone.wait(0.02):
                return

    transport = make_transport(total_timeout_seconds=0.5)
    server = serve(talk)
    answer = get(transport, server.url)
    assert (answer.error, answer.is_success) == (TOO_LONG, False)
    assert gone.wait(10), "the connection was left open"


def test_huge_answers_are_cut(transport: Transport, serve: Serve) -> None:
    """The first 64 KiB are kept; the rest stays unread and the connection is not used again."""
    closed = threading.Event()

    def talk(connection: Connection) -> None:
        connection.read_request()
        connection.send(head("200 OK", f"Content-Length: {1 << 40}"))
        try:
            while True:
                connection.send(b"x" * 65536)
        finally:
            closed.set()

    server = serve(talk)
    answer = get(transport, server.url)
    assert answer.is_success
    assert answer.truncated
    assert answer.body == "x" * MAX_RESPONSE_BYTES
    assert closed.wait(10), "the connection was left open"
    assert get(transport, server.url).is_success
    assert server.accepted == 2


def test_answer_of_exactly_the_limit_is_whole(transport: Transport, serve: Serve) -> None:
    """64 KiB are not cut, one byte more is."""
    for extra in (0, 1):
        body = b"x" * (MAX_RESPONSE_BYTES + extra)
        answer = get(transport, serve(answers(head("200 OK") + body)).url)
        assert (len(answer.body), answer.truncated) == (MAX_RESPONSE_BYTES, bool(extra))


def test_binary_answers_become_text(transport: Transport, serve: Serve) -> None:
    """NUL, control and undecodable bytes become text that any database and page can take."""
    data = head("200 OK", "X-Bin: a\xff\xfe\x01\x00z", "X-Name: \xc8\x98", "Content-Length: 8")
    answer = get(transport, serve(answers(data + b"a\x00b\xffc\xc8\x98\n")).url)
    assert answer.body == "a\ufffdb\ufffdcȘ\n"
    assert answer.headers[0] == ["X-Bin", "a\ufffd\ufffd\ufffd\ufffdz"]
    assert answer.headers[1] == ["X-Name", "Ș"]


@pytest.mark.parametrize(
    "written",
    [
        'Bearer s3cret/to"ken',
        'token=s3cret/to"ken;',
        r'{"Authorization": "Bearer s3cret/to\"ken"}',
        r'{"token": "s3cret\/to\"ken"}',
        "<td>s3cret/to&quot;ken</td>",
    ],
)
def test_answers_that_repeat_secrets_are_masked(
    transport: Transport, serve: Serve, written: str
) -> None:
    """What a receiver repeats of secret headers is kept nowhere; all else is kept as it is."""
    lines = (f"X-Got: {written}", "Content-Type: text/plain", f"Location: /{written}")
    server = serve(answers(head("302 Found", *lines) + b"7: " + written.encode()))
    headers = [("Accept", "text/plain"), ("X-Short", "7")]
    recipe = Recipe(
        Method.GET,
        server.url,
        own_headers=headers,
        auth=AuthKind.BEARER,
        secret='s3cret/to"ken',
    )
    answer = transport.send(build_request(recipe, []))
    assert "s3cret" not in repr(answer)
    assert "••••" in answer.error
    assert answer.body.startswith("7: ")
    assert "••••" in answer.body
    assert ["Content-Type", "text/plain"] in answer.headers


def test_answers_that_repeat_a_password_are_masked(transport: Transport, serve: Serve) -> None:
    """Some receivers decode what they show."""
    server = serve(answers(head("200 OK") + b"ana:pass-word YW5hOnBhc3Mtd29yZA=="))
    recipe = Recipe(Method.GET, server.url, auth=AuthKind.BASIC, username="ana", secret="pass-word")
    assert transport.send(build_request(recipe, [])).body == "ana:•••• ••••"


def test_secrets_of_a_redirect_are_masked(transport: Transport, serve: Serve) -> None:
    """User, password and what looks secret in the target are in no sentence, header or body."""
    target = "https://ana:pass-word@sso.example/in?next=%2Fa&Session_Token=abcdefgh&sig=x#code=y"
    shown = "https://••••@sso.example/in?next=%2Fa&Session_Token=••••&sig=••••#code=••••"
    page = b'<a href="https://ana:pass-word@sso.example/in?Session_Token=abcdefgh">there</a>'
    answer = get(transport, serve(answers(head("302 Found", f"Location: {target}") + page)).url)
    assert answer.error == f"The receiver redirects to {shown}; redirects are not followed."
    assert ["Location", shown] in answer.headers
    assert answer.body == '<a href="https://••••@sso.example/in?Session_Token=••••">there</a>'


def test_hostile_redirect_target_is_harmless_text(transport: Transport, serve: Serve) -> None:
    """The sentence has no control characters, and an end."""
    data = head("302 Found", "Location: http://a/\x1b[31m\xff" + "x" * 5000, "Content-Length: 0")
    answer = get(transport, serve(answers(data)).url)
    assert answer.error.isprintable()
    assert len(answer.error) == 500


def test_compressed_answers_are_not_unpacked(transport: Transport, serve: Serve) -> None:
    """A compressed answer is text like any other, so that none can grow in memory."""
    data = head("200 OK", "Content-Encoding: gzip", "Content-Length: 3") + b"xyz"
    assert get(transport, serve(answers(data)).url).body == "xyz"


def test_connections_are_used_again(transport: Transport, serve: Serve) -> None:
    """Requests one after the other to one receiver use one connection."""
    server = serve(keeps_alive)
    for _ in range(3):
        assert get(transport, server.url).is_success
    assert (server.accepted, len(server.requests)) == (1, 3)


def test_closed_connection_is_replaced(transport: Transport, serve: Serve) -> None:
    """A kept connection that the receiver has closed since costs no attempt."""
    server = serve(answers(OK))
    for count in range(1, 4):
        assert get(transport, server.url).is_success
        wait_until(lambda count=count: server.ended == count, "the end of the connection")
    assert server.accepted == 3


def test_bytes_on_the_wire(transport: Transport, serve: Serve) -> None:
    """A POST has its form in the body; a GET has no body; neither has anything of ours beside."""
    server = serve(keeps_alive)
    transport.send(
        build_request(Recipe(Method.POST, server.url + "/cdr?a=1"), [("CallerIDNum", "+40 21")])
    )
    get(transport, server.url + "/pop")
    post, plain = (request.decode().split("\r\n") for request in server.requests)
    host = f"Host: 127.0.0.1:{server.port}"
    assert (post[0], post[-1]) == ("POST /cdr?a=1 HTTP/1.1", "CallerIDNum=%2B40%2021")
    assert sorted(post[1:-2]) == [
        "Accept-Encoding: identity",
        "Accept: */*",
        "Content-Length: 22",
        "Content-Type: application/x-www-form-urlencoded",
        host,
        "User-Agent: CallEvents/1.0",
    ]
    assert plain[0] == "GET /pop?CallID=c1 HTTP/1.1"
    assert sorted(line for line in plain[1:] if line) == [
        "Accept-Encoding: identity",
        "Accept: */*",
        host,
        "User-Agent: CallEvents/1.0",
    ]


def test_environment_has_no_influence(
    transport: Transport, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a proxy nor a .netrc of the machine takes part."""
    server, proxy = serve(keeps_alive), serve(answers(OK))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    assert get(transport, server.url).is_success
    assert (proxy.accepted, server.accepted) == (0, 1)


def test_interrupt_ends_running_attempts(transport: Transport, serve: Serve) -> None:
    """Interrupting ends attempts that hang, and those that begin later."""
    server = serve(hangs)
    found: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: found.append(get(transport, server.url))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    server.wait_for_requests(3)
    transport.interrupt()
    for thread in threads:
        thread.join()
    found.append(get(transport, server.url))
    assert [answer.error for answer in found] == ["The worker stopped during this attempt."] * 4


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the name many.test resolve to these addresses, as its owner could at any time."""
    real = socket.getaddrinfo
    known: list[str] = []

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        addresses = known if host == "many.test" else [host]
        return [found for one in addresses for found in real(one, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    def set_addresses(*addresses: str) -> None:
        known[:] = addresses

    return set_addresses


def test_next_address_is_tried(
    transport: Transport, serve: Serve, resolves: Callable[..., None]
) -> None:
    """Where the first address refuses, or must not be gone to, the next one is tried."""
    server = serve(answers(OK_AND_CLOSE), host="127.0.0.9")
    for first in ("127.0.0.1", "10.0.0.1"):
        resolves(first, "127.0.0.9")
        assert get(transport, f"http://many.test:{server.port}/").is_success
    assert server.accepted == 2


def test_address_is_checked_when_the_socket_opens(
    make_transport: MakeTransport, serve: Serve, resolves: Callable[..., None]
) -> None:
    """A name that changes to a refused address is refused from then on: nothing is remembered."""
    transport = make_transport(allowed_networks="127.0.0.9/32")
    server = serve(answers(OK), host="127.0.0.9")
    inside = serve(answers(OK))
    resolves("127.0.0.9")
    assert get(transport, f"http://many.test:{server.port}/").is_success
    resolves("127.0.0.1")
    answer = get(transport, f"http://many.test:{inside.port}/")
    assert answer.error == (
        "The address 127.0.0.1 is loopback, and requests may not go there. If they should, add "
        "its network to the setting CALLEVENTS_ALLOWED_NETWORKS."
    )
    assert inside.accepted == 0


def test_no_address_is_tried_when_the_time_is_up(
    make_transport: MakeTransport, serve: Serve, resolves: Callable[..., None]
) -> None:
    """A name with many silent addresses does not get the time for one as often as it has them."""
    transport = make_transport(connect_timeout_seconds=0.4, total_timeout_seconds=0.2)
    resolves("127.0.0.1", "127.0.0.9")
    with full_listener() as port:
        last = serve(keeps_alive, host="127.0.0.9", port=port)
        answer = get(transport, f"http://many.test:{port}/")
    assert answer.error == TOO_LONG
    assert last.accepted == 0


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0"),
        *("2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0x7f000001", "[::]", "0"),
        *("\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021"),
    ],
)
def test_loopback_is_refused_however_it_is_written(
    make_transport: MakeTransport, serve: Serve, host: str
) -> None:
    """No spelling of this machine gets a request through to what listens here."""
    server = serve(answers(OK))
    url = check_url(f"http://{host}:{server.port}/").url
    answer = get(make_transport(allowed_networks=""), url)
    assert " is loopback, " in answer.error or " is unspecified, " in answer.error
    assert answer.error.endswith("the setting CALLEVENTS_ALLOWED_NETWORKS.")
    assert server.accepted == 0


@pytest.mark.parametrize("host", ["2130706433", "0177.0.0.1", "127.1"])
def test_allowed_loopback_is_reached(transport: Transport, serve: Serve, host: str) -> None:
    """With its network allowed, the same spellings arrive, so the refusals were real."""
    server = serve(answers(OK))
    assert get(transport, f"http://{host}:{server.port}/").is_success


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("169.254.169.254", "link-local"),
        ("10.0.0.1", "private"),
        ("192.168.1.1", "private"),
        ("[fe80::1]", "link-local"),
        ("[fd00::1]", "private"),
        ("[64:ff9b::a9fe:a9fe]", "link-local"),
        ("[2002:7f00:1::]", "loopback"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "private"),
    ],
)
def test_other_refused_addresses(make_transport: MakeTransport, host: str, kind: str) -> None:
    """Addresses that are not on the public internet are refused before a packet is sent."""
    answer = get(make_transport(allowed_networks=""), f"http://{host}/")
    assert f" is {kind}, and requests may not go there." in answer.error


@pytest.mark.parametrize("host", ["nosuch.invalid", "a" * 63 + "." + "b" * 63 + ".invalid"])
def test_unknown_host(transport: Transport, host: str) -> None:
    """A name without an address is told as that."""
    assert get(transport, f"http://{host}/").error == (
        "The host name does not resolve to an address."
    )


LEGAL = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?"
pieces = st.sampled_from([*LEGAL, "[", "]", "%41", "%2f", "%7E", "%C3%a9", "%20", "%00", "%25"])
odd_pieces = pieces | st.sampled_from(list('%|^`{}"<>éü日🙂\u0301')) | st.just("%zz")
values = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("+&=%#; "))


@contextmanager
def own_line() -> Iterator[tuple[RawServer, Transport]]:
    """Give a server that keeps connections and a transport, for many requests."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RawServer(keeps_alive) as server,
    ):
        transport = Transport(
            Settings(data_dir=Path(folder), allowed_networks="127.0.0.0/8")  # type: ignore[arg-type]
        )
        yield server, transport
        transport.close()


def test_urls_of_legal_characters_are_kept_byte_for_byte() -> None:
    """Path and query arrive exactly as they were configured, with the parameters behind them."""
    with own_line() as (server, transport):

        @given(st.lists(pieces).map("".join), values)
        def holds(tail: str, value: str) -> None:
            request = build_request(
                Recipe(Method.GET, f"{server.url}/{tail}"), [("CallerIDName", value)]
            )
            assert transport.send(request).is_success
            target = server.requests[-1].split(b" ")[1].decode("ascii")
            assert target.startswith(f"/{tail}")
            assert request.url == server.url + target, "what is recorded is what was sent"
            query = target.partition("?")[2]
            assert parse_qsl(query, keep_blank_values=True)[-1] == ("CallerIDName", value)

        holds()


def test_odd_urls_cost_no_parameter() -> None:
    """Whatever a URL has that the rules let pass, the parameters arrive as they were."""
    with own_line() as (server, transport):

        @given(st.lists(odd_pieces).map("".join), values, st.sampled_from(Method))
        def holds(tail: str, value: str, method: Method) -> None:
            try:
                url = check_url(f"{server.url}/{tail}").url
            except InvalidError:
                reject()
            request = build_request(Recipe(method, url), [("CallerIDName", value)])
            assert transport.send(request).is_success
            sent_head, _, body = server.requests[-1].decode("ascii").partition("\r\n\r\n")
            target = sent_head.split(" ")[1]
            assert request.url == server.url + target, "what is recorded is what was sent"
            form = target.partition("?")[2] if method is Method.GET else body
            assert parse_qsl(form, keep_blank_values=True)[-1] == ("CallerIDName", value)

        holds()
