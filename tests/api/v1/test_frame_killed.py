"""A POST with an Idempotency-Key has both its effect and its answer, or neither, after kill -9."""

import threading

import requests
from flask import Flask
from sqlalchemy import func, select

from callevents.config.settings import Settings
from callevents.db.models import IdempotencyKey, Pbx
from callevents.extensions import db
from tests.api.v1.conftest import Api
from tests.conftest import RunPython
from tests.support.ports import find_free_port
from tests.support.programs import DEADLINE_SECONDS, ROOT, Program
from tests.support.waiting import wait_until

#: Answers before the web server is killed.
ANSWERS = 25
SENDERS = 4


class Sender(threading.Thread):
    """Adds things until the server no longer answers, each with a key of its own."""

    def __init__(self, address: str, token: str, number: int) -> None:
        super().__init__()
        self._address, self._token, self._number = address, token, number
        self.answers: dict[str, str] = {}
        #: The last request, whose answer did not arrive.
        self.lost = ""

    def run(self) -> None:
        """Send one after the other."""
        with requests.Session() as session:
            for count in range(100_000):
                name = f"{self._number} {count}"
                try:
                    answer = post(session, self._address, self._token, name)
                except requests.RequestException:
                    self.lost = name
                    return
                assert answer.status_code == 201, answer.text
                self.answers[name] = answer.text


def post(session: requests.Session, address: str, token: str, name: str) -> requests.Response:
    """Add a thing, with its name as the key."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": name}
    url = f"{address}/api/v1/things"
    return session.post(url, json={"name": name}, headers=headers, timeout=DEADLINE_SECONDS)


def serve(settings: Settings, run_python: RunPython) -> tuple[Program, str]:
    """Start the web server on the test's database; return the process and its address."""
    port = find_free_port()
    program = run_python(
        "-m",
        "tests.api.v1.serve_things",
        cwd=ROOT,
        port=str(port),
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        data_dir=str(settings.data_dir),
        secret_key=settings.secret_key,
        api_requests_per_minute="100000",
    )
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{address}/healthz", timeout=DEADLINE_SECONDS).ok
        except requests.ConnectionError:
            return False

    wait_until(answers, "the web server's first answer", DEADLINE_SECONDS)
    return program, address


def kill(program: Program) -> None:
    """Kill the process and its children at once."""
    for process in program.family():
        process.kill()
    program.process.kill()
    program.wait()


def names_of(model: type[Pbx] | type[IdempotencyKey]) -> set[str]:
    """Return the names of what is stored, or the keys of kept answers."""
    db.session.rollback()
    column = Pbx.name if model is Pbx else IdempotencyKey.key
    return set(db.session.scalars(select(column)))


def test_killed_during_requests(
    app: Flask, admin: Api, settings: Settings, run_python: RunPython
) -> None:
    """What was done has its answer kept, what was answered was done, and repeats change nothing."""
    program, address = serve(settings, run_python)
    senders = [Sender(address, admin.token, number) for number in range(SENDERS)]
    for sender in senders:
        sender.start()

    def count() -> int:
        return sum(len(sender.answers) for sender in senders)

    wait_until(lambda: count() >= ANSWERS, "answers", DEADLINE_SECONDS)
    kill(program)
    for sender in senders:
        sender.join()

    answered = {name: text for sender in senders for name, text in sender.answers.items()}
    done = names_of(Pbx)
    assert done == names_of(IdempotencyKey)
    assert set(answered) <= done <= {*answered, *(sender.lost for sender in senders)}

    program, address = serve(settings, run_python)
    with requests.Session() as session:
        for sender in senders:
            first = post(session, address, admin.token, sender.lost)
            assert first.status_code == 201
            assert ("Idempotent-Replayed" in first.headers) == (sender.lost in done)
            second = post(session, address, admin.token, sender.lost)
            assert second.headers["Idempotent-Replayed"] == "true"
            assert second.text == first.text
        for name, text in answered.items():
            assert post(session, address, admin.token, name).text == text
    assert names_of(Pbx) == {*answered, *(sender.lost for sender in senders)}
    assert db.session.scalar(select(func.count()).select_from(Pbx)) == len(answered) + SENDERS
