"""Idempotency-Key: a POST that is repeated gets the same answer, and has one effect.

The answer is stored in the transaction of the effect, so after a crash there are both or neither.
What works outside of a transaction, such as a test request, has a row that says that it is running.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from flask import Request, Response, current_app
from sqlalchemy import delete, func, select

from callevents.api.v1.problems import ApiError, ProblemType
from callevents.api.v1.reading import invalid
from callevents.api_access.cleanup import KEEP_ANSWERS
from callevents.db.models import MAX_IDEMPOTENCY_KEY_LENGTH, IdempotencyKey, utc_now
from callevents.db.session import begin_write
from callevents.extensions import app_state, cipher, db
from callevents.security.encryption import UnreadableError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
#: What is still running after this time has crashed.
RUNNING_TIME = timedelta(minutes=5)
#: Header fields that belong to the answer and not to the request that gets it.
KEPT_HEADERS = ("Content-Type", "Location", "ETag")


@dataclass(frozen=True)
class KeyedRequest:
    """A request with an Idempotency-Key."""

    principal_id: str
    key: str
    digest: str

    def find_answer(self) -> Response | None:
        """Return the stored answer, None if the request has to be carried out.

        Call it in the write transaction. Raises ApiError if the key belongs to another request, or
        if a request with it is running.
        """
        _lock(self)
        row = db.session.get(IdempotencyKey, (self.principal_id, self.key), populate_existing=True)
        if row is None:
            return None
        age = utc_now() - row.created_at
        has_crashed = row.status is None and age > RUNNING_TIME
        if age > KEEP_ANSWERS or has_crashed:
            self.forget()
            return None
        if row.request_digest != self.digest:
            detail = "Use a new key for another request. Nothing was changed."
            raise ApiError(ProblemType.KEY_REUSED, detail)
        if row.status is None:
            raise _still_running()
        return self._replay(row.status, row.headers, row.body)

    def _replay(self, status: int, headers: dict[str, Any], body: str) -> Response | None:
        try:
            text = app_state().cipher.decrypt_once(body)
        except UnreadableError:
            # Its key is gone: nobody can read it any more.
            self.forget()
            return None
        response = Response(text, status)
        response.headers.update(headers)
        response.headers[REPLAYED] = "true"
        return response

    def store(self, response: Response) -> None:
        """Store the answer in the current transaction."""
        kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        db.session.merge(
            IdempotencyKey(
                principal=self.principal_id,
                key=self.key,
                request_digest=self.digest,
                created_at=utc_now(),
                status=response.status_code,
                headers=kept,
                body=cipher.encrypt(response.get_data(as_text=True)),
            )
        )
        db.session.flush()

    def mark_running(self) -> None:
        """Store that the request is running, and commit."""
        row = IdempotencyKey(
            principal=self.principal_id,
            key=self.key,
            request_digest=self.digest,
            created_at=utc_now(),
        )
        db.session.add(row)
        db.session.commit()

    def forget(self) -> None:
        """Remove the row: a request with the key is carried out."""
        own = IdempotencyKey.principal == self.principal_id, IdempotencyKey.key == self.key
        db.session.execute(delete(IdempotencyKey).where(*own))

    def forget_now(self) -> None:
        """Remove the row in a transaction of its own."""
        begin_write()
        self.forget()
        db.session.commit()


def read_key(request: Request, principal_id: str) -> KeyedRequest | None:
    """Return the request with its key, None if it has none; raises ApiError."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    is_printable = bool(key.strip()) and key.isascii() and key.isprintable()
    if not is_printable or len(key) > MAX_IDEMPOTENCY_KEY_LENGTH:
        detail = (
            f"{HEADER} must be 1 to {MAX_IDEMPOTENCY_KEY_LENGTH} printable characters of ASCII."
        )
        raise invalid(detail)
    parts = (request.method, request.path, request.query_string.decode("latin-1"))
    text = "\n".join(parts).encode("utf-8", "surrogatepass")
    return KeyedRequest(principal_id, key, _digest_of(text + b"\n" + request.get_data(cache=True)))


def _digest_of(sent: bytes) -> str:
    """Return a digest from which nobody who reads the database can guess a password in the body."""
    return hmac.digest(str(current_app.secret_key).encode(), sent, "sha256").hex()


def _lock(keyed: KeyedRequest) -> None:
    """Make sure that no other request with this key runs; raises ApiError with 409 if one does.

    SQLite has one writer at a time, so this one has waited for the other, and finds its answer.
    """
    if db.session.connection().dialect.name != "postgresql":
        return
    name = sha256(f"{keyed.principal_id}\n{keyed.key}".encode()).digest()
    number = int.from_bytes(name[:8], signed=True)
    if not db.session.scalar(select(func.pg_try_advisory_xact_lock(number))):
        raise _still_running()


def _still_running() -> ApiError:
    detail = "Wait for its answer, then repeat the request to get the same one."
    return ApiError(ProblemType.STILL_RUNNING, detail, headers={"Retry-After": "1"})
