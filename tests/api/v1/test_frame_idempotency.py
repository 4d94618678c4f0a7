"""Idempotency-Key: a repeated POST has one effect and gets the same answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from threading import Barrier, Event

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from callevents.api.v1.idempotency import RUNNING_TIME
from callevents.api.v1.problems import ProblemType
from callevents.api_access.cleanup import KEEP_ANSWERS, remove_old
from callevents.config.settings import Settings
from callevents.db.models import AuditEntry, IdempotencyKey, Pbx, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.enums import Role
from callevents.extensions import app_state, db
from tests.api.v1.conftest import Api, MakeApi, check_problem
from tests.api.v1.things import WORLD, add_things

KEY = {"Idempotency-Key": "4a7e"}


@pytest.fixture(autouse=True)
def _things(app: Flask) -> Iterator[None]:
    add_things(app)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield
    WORLD.act = lambda: None


def count(model: type = Pbx) -> int:
    """Return how many there are."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def kept() -> IdempotencyKey:
    """Return the only kept answer."""
    db.session.rollback()
    return db.session.scalars(select(IdempotencyKey)).one()


def make_older(age: timedelta) -> None:
    """Let the kept answer be of that age."""
    begin_write()
    db.session.execute(update(IdempotencyKey).values(created_at=utc_now() - age))
    db.session.commit()


def check_same(first: TestResponse, second: TestResponse) -> None:
    """Check that the second answer repeats the first one."""
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (second.status_code, second.data) == (first.status_code, first.data)
    for name in ("Content-Type", "Location", "ETag"):
        assert second.headers.get(name) == first.headers.get(name)


def test_a_repeated_request(admin: Api) -> None:
    """One effect, one entry in the history, the same answer with the same secret."""
    first = admin.post("/things", {"name": "Branch"}, headers=KEY)
    assert first.status_code == 201
    entries = count(AuditEntry)
    second = admin.post("/things", {"name": "Branch"}, headers=KEY)
    check_same(first, second)
    assert (count(), count(AuditEntry)) == (1, entries)
    assert second.headers["RateLimit"] != first.headers["RateLimit"]
    assert second.headers["X-Request-ID"] != first.headers["X-Request-ID"]


def test_kept_answers_are_encrypted(admin: Api) -> None:
    """The database has neither the secret nor the rest of the answer in the clear."""
    secret = admin.post("/things", {"name": "Branch"}, headers=KEY).get_json()["secret"]
    row = kept()
    assert secret not in row.body
    assert "branch" not in row.body.lower()
    assert secret in app_state().cipher.decrypt(row.body)


def test_a_body_cannot_be_guessed(admin: Api) -> None:
    """It may have a password: whoever reads the database cannot try passwords on the digest."""
    body = '{"name":"Branch"}'
    admin.post("/things", data=body, content_type="application/json", headers=KEY)
    assert kept().request_digest != sha256(f"POST\n/api/v1/things\n\n{body}".encode()).hexdigest()


@pytest.mark.parametrize(
    ("path", "body"), [("/things", {"name": "Other"}), ("/things?x=1", None), ("/forms", {})]
)
def test_another_request(admin: Api, path: str, body: object) -> None:
    """A key belongs to one path, query and body."""
    admin.post("/things", {"name": "Branch"}, headers=KEY)
    answer = admin.post(path, {"name": "Branch"} if body is None else body, headers=KEY)
    expected = ProblemType.INVALID_REQUEST if "?" in path else ProblemType.KEY_REUSED
    check_problem(answer, expected)
    assert count() == 1


def test_keys_of_others(api: MakeApi) -> None:
    """Each token has keys of its own."""
    api().post("/things", {"name": "Branch"}, headers=KEY)
    answer = api().post("/things", {"name": "Branch 2"}, headers=KEY)
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é", "a\tb"])
def test_keys_that_are_none(admin: Api, key: str) -> None:
    """1 to 255 printable characters of ASCII."""
    answer = admin.post("/things", {"name": "Branch"}, headers={"Idempotency-Key": key})
    check_problem(answer, ProblemType.INVALID_REQUEST)
    assert count() == 0


@pytest.mark.parametrize("key", ["x" * 255, '"a, b"', "~!"])
def test_keys_of_all_signs(admin: Api, key: str) -> None:
    """A key is an opaque text."""
    send = {"Idempotency-Key": key}
    first = admin.post("/things", {"name": "Branch"}, headers=send)
    check_same(first, admin.post("/things", {"name": "Branch"}, headers=send))


def test_errors_are_not_kept(admin: Api) -> None:
    """A request that failed is carried out when it is repeated."""
    admin.post("/things", {"name": "Branch"})
    for _ in range(2):
        answer = admin.post("/things", {"name": "Branch"}, headers=KEY)
        check_problem(answer, ProblemType.INVALID_REQUEST)
    assert admin.post("/errors/bug", {}, headers={"Idempotency-Key": "b"}).status_code == 500
    assert count(IdempotencyKey) == 0


def test_an_answer_without_rights_any_more(api: MakeApi) -> None:
    """The scope is asked again before an answer is repeated."""
    mine = api(Role.ADMIN, ["pbxs:read"])
    check_problem(mine.post("/things", {}, headers=KEY), ProblemType.INSUFFICIENT_SCOPE)


def test_after_a_day(admin: Api) -> None:
    """The key is new again, and the old answer is removed."""
    admin.post("/things", {"name": "Branch"}, headers=KEY)
    make_older(KEEP_ANSWERS - timedelta(minutes=1))
    assert "Idempotent-Replayed" in admin.post("/things", {"name": "Branch"}, headers=KEY).headers
    make_older(KEEP_ANSWERS + timedelta(minutes=1))
    answer = admin.post("/things", {"name": "Branch 2"}, headers=KEY)
    assert (answer.status_code, count()) == (201, 2)
    make_older(KEEP_ANSWERS + timedelta(minutes=1))
    with write_transaction(db.engine) as connection:
        remove_old(connection, utc_now())
    assert count(IdempotencyKey) == 0


def test_other_methods_have_no_keys(admin: Api, pbx: Pbx) -> None:
    """PATCH and PUT may be repeated anyway."""
    for name in ("One", "Two"):
        assert admin.patch("/things/head-office", {"name": name}, headers=KEY).status_code == 200
    assert count(IdempotencyKey) == 0


def test_fifty_at_the_same_time(admin: Api) -> None:
    """One effect; each gets the answer, or hears that the first one is still running."""
    start = Barrier(50)

    def send(_: int) -> TestResponse:
        start.wait()
        return admin.post("/things", {"name": "Branch"}, headers=KEY)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    done = [answer for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer.status_code != 201:
            check_problem(answer, ProblemType.STILL_RUNNING)
            assert answer.headers["Retry-After"] == "1"
    assert sum("Idempotent-Replayed" not in answer.headers for answer in done) == 1
    assert len({answer.data for answer in done}) == 1
    assert count() == 1
    assert admin.post("/things", {"name": "Branch"}, headers=KEY).data == done[0].data


def test_an_external_operation(admin: Api) -> None:
    """What no transaction can undo is done once, too."""
    first = admin.post("/things/one/call", headers=KEY)
    assert first.get_json() == {"count": 1}
    check_same(first, admin.post("/things/one/call", headers=KEY))
    assert (WORLD.count, count()) == (1, 1)


def test_an_external_operation_that_is_still_running(admin: Api) -> None:
    """The second request hears so, whatever the database."""
    begun, go_on = Event(), Event()
    WORLD.act = lambda: (begun.set(), go_on.wait(30))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(admin.post, "/things/one/call", headers=KEY)
        assert begun.wait(30)
        second = admin.post("/things/one/call", headers=KEY)
        check_problem(second, ProblemType.STILL_RUNNING)
        other = admin.post("/things/two/call", headers=KEY)
        check_problem(other, ProblemType.KEY_REUSED)
        go_on.set()
        assert first.result().status_code == 200
    assert WORLD.count == 1


def test_an_external_operation_that_failed(admin: Api) -> None:
    """It can be tried again at once."""
    check_problem(admin.post("/things/unknown/call", headers=KEY), ProblemType.NOT_FOUND)

    def fail() -> None:
        raise RuntimeError("a bug")

    WORLD.act = fail
    assert admin.post("/things/one/call", headers=KEY).status_code == 500
    WORLD.act = lambda: None
    assert admin.post("/things/one/call", headers=KEY).status_code == 200


def test_an_external_operation_that_crashed(admin: Api) -> None:
    """After a while its key can be used again."""
    admin.post("/things/one/call", headers=KEY)
    begin_write()
    db.session.execute(update(IdempotencyKey).values(status=None, body=""))
    db.session.commit()
    check_problem(admin.post("/things/one/call", headers=KEY), ProblemType.STILL_RUNNING)
    make_older(RUNNING_TIME + timedelta(seconds=1))
    assert admin.post("/things/one/call", headers=KEY).status_code == 200
    assert kept().status == 200


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with keys that a test can change."""
    return settings.model_copy(update={"encryption_keys": [Fernet.generate_key().decode()]})


def change_keys(app: Flask, *keys: str) -> None:
    """Change the encryption keys, as an admin and a restart do."""
    app_state(app).settings.encryption_keys = list(keys)
    app_state(app).cipher.reload()


def test_a_new_encryption_key(app: Flask, admin: Api) -> None:
    """Kept answers are re-encrypted with it, so the old key can go."""
    [old], new = app_state(app).settings.encryption_keys, Fernet.generate_key().decode()
    sent = [{"Idempotency-Key": str(number)} for number in range(3)]
    first = [admin.post("/things", {"name": f"B{n}"}, headers=key) for n, key in enumerate(sent)]
    change_keys(app, new, old)
    assert app.test_cli_runner().invoke(args=["secrets", "rotate"]).exit_code == 0
    change_keys(app, new)
    for number, key in enumerate(sent):
        check_same(first[number], admin.post("/things", {"name": f"B{number}"}, headers=key))


def test_a_lost_encryption_key(app: Flask, admin: Api) -> None:
    """An answer that nobody can read is as if it were not there; a rotation removes it."""
    admin.post("/things", {"name": "One"}, headers=KEY)
    change_keys(app, Fernet.generate_key().decode())
    answer = admin.post("/things", {"name": "One"}, headers=KEY)
    # The request is carried out again, and finds what the first one did.
    check_problem(answer, ProblemType.INVALID_REQUEST)
    assert app.test_cli_runner().invoke(args=["secrets", "rotate"]).exit_code == 0
    assert count(IdempotencyKey) == 0
