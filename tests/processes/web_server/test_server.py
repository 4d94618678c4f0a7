"""The web server: its socket, its options, and its handling of clients."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from gunicorn.config import Config

from callevents.config.settings import Settings
from callevents.processes.web_server import server
from callevents.processes.web_server.server import ListenError, open_socket, url
from tests.conftest import RunPython
from tests.support.programs import ROOT, Program, find_free_port
from tests.support.waiting import wait_until

WEB = ("-m", "flask", "--app", str(ROOT / "app.py"), "web")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("fe80::1", "http://[fe80::1]:8000"),
        ("calls.example", "http://calls.example:8000"),
    ],
)
def test_url(host: str, expected: str) -> None:
    """The printed URL can be opened on this machine."""
    assert url(Settings(host=host)) == expected


@pytest.mark.parametrize(
    ("host", "port", "sentence"),
    [
        ("192.0.2.1", 8000, "192.0.2.1 is not an address of this machine. Set CALLEVENTS_HOST"),
        ("calls.invalid", 8000, "calls.invalid is not an address of this machine."),
    ],
)
def test_foreign_address(host: str, port: int, sentence: str) -> None:
    """An address of another machine is a clear error."""
    with pytest.raises(ListenError, match=sentence):
        open_socket(Settings(host=host, port=port))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(13, "Permission denied"), "This user may not listen on port 80."),
        (OSError(24, "Too many open files"), "Listening on 127.0.0.1:80 failed: Too many open"),
    ],
)
def test_socket_errors(error: OSError, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's error becomes a clear message."""

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(server.socket.socket, "bind", refuse)
    with pytest.raises(ListenError, match=sentence):
        open_socket(Settings(port=80))


@pytest.mark.parametrize(
    ("database_url", "processes"), [("", 1), ("postgresql://host/name", 3)], ids=["sqlite", "pg"]
)
def test_processes(database_url: str, processes: int) -> None:
    """With SQLite there is one web process, regardless of the setting."""
    options = server._options(Settings(database_url=database_url, web_processes=3), [])
    assert options["workers"] == processes
    for name, value in options.items():
        Config().set(name, value)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, str]]:
    """`flask web` alone, on a migrated database, without Redis."""
    folder, port = tmp_path_factory.mktemp("web"), str(find_free_port())
    settings = {"data_dir": str(folder), "port": port, "redis_url": "redis://127.0.0.1:1"}
    upgrade = Program("-m", "flask", "--app", WEB[3], "db", "upgrade", cwd=folder, **settings)
    assert upgrade.wait() == 0, upgrade.output
    upgrade.end()
    program = Program(*WEB, cwd=folder, **settings)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{address}/healthz", timeout=5).ok
        except requests.RequestException:
            return False

    wait_until(answers, "the web server's first answer")
    yield program, address
    program.end()
    assert program.process.returncode == 0, "it stops cleanly"
    assert "Traceback" not in program.output


def test_web_alone(web: tuple[Program, str]) -> None:
    """The web server runs without Redis, and reports it."""
    answer = requests.get(f"{web[1]}/readyz", timeout=30)
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": "ok", "redis": "does not answer"}


def test_forwarded_headers_are_not_trusted(web: tuple[Program, str]) -> None:
    """Without a trusted proxy, clients cannot set their address, scheme or path."""
    program, address = web
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Script-Name": "/x"}
    assert requests.get(f"{address}/healthz", headers=headers, timeout=30).status_code == 200
    assert "203.0.113.9" not in program.output


def test_long_request_line(web: tuple[Program, str]) -> None:
    """A query of almost 8 KiB is read; a longer one is rejected, not truncated."""
    address = f"{web[1]}/healthz?q="
    assert requests.get(address + "x" * 8000, timeout=30).status_code == 200
    assert requests.get(address + "x" * 8200, timeout=30).status_code == 414


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"5\r\nhello!!", b"ffff\r\n{}"])
def test_broken_chunks(web: tuple[Program, str], chunks: bytes) -> None:
    """An incomplete or malformed chunked body is a 400."""
    port = int(web[1].rpartition(":")[2])
    head = b"POST /ingest/office HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(head + chunks)
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"The body is incomplete, or its chunks are malformed." in answer


def test_web_with_a_used_port(run_python: RunPython, tmp_path: Path) -> None:
    """`flask web` reports a used port, and exits."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        program = run_python(*WEB, data_dir=str(tmp_path), port=str(port))
        assert program.wait() == 1
    assert program.stderr == [
        f"Port {port} on 127.0.0.1 is in use by another program. "
        "Set CALLEVENTS_PORT to another one."
    ]
