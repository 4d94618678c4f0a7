"""Many sign-ins at the same time take little memory, and hold up nobody else."""

import re
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Barrier

import requests

from tests.processes.conftest import Start
from tests.support.programs import DEADLINE_SECONDS, CallEvents

SIGN_INS = 24
MAX_RSS_MB = 400


def read_peak_mb(process_id: int) -> float:
    """Return the largest amount of memory that the process has used so far."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1]) / 1024  # type: ignore[index]


def sign_in(program: CallEvents, number: int, barrier: Barrier) -> int:
    """Try to sign in together with the others; return the status."""
    with requests.Session() as client:
        page = client.get(f"{program.url}/sign-in", timeout=DEADLINE_SECONDS).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]  # type: ignore[index]
        fields = {"csrf_token": token, "username": f"user{number}", "password": "some password"}
        barrier.wait(DEADLINE_SECONDS)
        url = f"{program.url}/sign-in"
        return client.post(url, data=fields, timeout=DEADLINE_SECONDS).status_code


def test_parallel_sign_ins(start: Start) -> None:
    """Of 24 sign-ins some are told to come back. Memory stays low, and /healthz responds."""
    program = start()
    program.wait_until_ready()
    barrier = Barrier(SIGN_INS + 1)
    with ThreadPoolExecutor(SIGN_INS) as threads:
        running = [threads.submit(sign_in, program, n, barrier) for n in range(SIGN_INS)]
        barrier.wait(DEADLINE_SECONDS)
        while wait(running, timeout=0).not_done:
            health = requests.get(f"{program.url}/healthz", timeout=DEADLINE_SECONDS)
            assert health.status_code == 200
        statuses = {attempt.result() for attempt in running}
    # Wrong password, too many failures from this address, and too many at once.
    assert {422, 503} <= statuses <= {422, 429, 503}
    peaks = [(read_peak_mb(process.pid), process.name()) for process in program.family()]
    assert max(peaks)[0] < MAX_RSS_MB, peaks
