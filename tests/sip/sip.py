"""Kamailio and sipp, started for a test and ended with it."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_until

HERE = Path(__file__).parent
DEADLINE_SECONDS = 20
OPTIONS = b"""OPTIONS sip:probe@127.0.0.1 SIP/2.0\r
Via: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bKprobe;rport\r
From: <sip:probe@127.0.0.1>;tag=probe\r
To: <sip:probe@127.0.0.1>\r
Call-ID: probe\r
CSeq: 1 OPTIONS\r
Max-Forwards: 70\r
Content-Length: 0\r
\r
"""


def find_free_udp_port() -> int:
    """Return a port that nothing listens on for datagrams."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Kamailio:
    """A Kamailio whose calls all go to one callee; `snippet`: from the 'Connect' page."""

    def __init__(self, folder: Path, snippet: str) -> None:
        self.port, self.callee_port = find_free_udp_port(), find_free_udp_port()
        text = (HERE / "kamailio.cfg").read_text()
        values = {"PORT": str(self.port), "CALLEE_PORT": str(self.callee_port), "LINES": snippet}
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        config = folder / "kamailio.cfg"
        config.write_text(text)
        self._log = (folder / "kamailio.log").open("w+")
        self.process = subprocess.Popen(
            ["kamailio", "-f", config, "-DD", "-E", "-m", "32", "-M", "8", "-Y", folder],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def wait_until_ready(self) -> None:
        """Wait until it responds."""
        wait_until(self._answers, "an answer of Kamailio")

    @property
    def log(self) -> str:
        """Its output."""
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)
        self._log.close()

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            probe.settimeout(0.2)
            probe.sendto(OPTIONS % probe.getsockname()[1], ("127.0.0.1", self.port))
            try:
                return probe.recv(4096).startswith(b"SIP/2.0 405")
            except OSError:
                return False

    def call(self, outcome: str) -> None:
        """Call 102 from 101 and end as the two scenarios of that name say."""
        with _sipp(f"callee_{outcome}", self.callee_port) as callee:
            wait_until(lambda: _is_bound(self.callee_port), "the callee's port")
            caller_port = find_free_udp_port()
            target = ["-s", "102", f"127.0.0.1:{self.port}"]
            with _sipp(f"caller_{outcome}", caller_port, *target) as caller:
                _check(caller, "caller", self.log)
            _check(callee, "callee", self.log)


@contextmanager
def _sipp(scenario: str, port: int, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    command = ["sipp", "-sf", HERE / f"{scenario}.xml", "-i", "127.0.0.1", "-p", str(port)]
    limits = ["-m", "1", "-timeout", str(DEADLINE_SECONDS), "-timeout_error", "-nostdin"]
    process = subprocess.Popen(
        [*command, *limits, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _check(process: "subprocess.Popen[str]", who: str, log: str) -> None:
    output, _ = process.communicate(timeout=DEADLINE_SECONDS + 5)
    assert process.returncode == 0, f"the {who} failed:\n{output}\nKamailio:\n{log}"


def _is_bound(port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False
