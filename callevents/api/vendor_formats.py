"""Reports in a vendor's format: checks signatures, reads messages, builds the response."""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from flask import Response, jsonify, url_for
from werkzeug.wrappers import Request

from callevents.api.payload import (
    JSON,
    MULTIPART,
    TOKEN,
    decode,
    read_json,
    read_raw,
    refuse,
    split_pairs,
)
from callevents.api.problems import ProblemError, field_errors
from callevents.db.models import Pbx
from callevents.errors import InvalidError
from callevents.ingest.history import find_call_events
from callevents.pbxs.pbxs import find_format_secret
from callevents.security.encryption import UnreadableError
from callevents.vendors.message import Message, ReadResult
from callevents.vendors.registry import READERS, find_vendor

log = structlog.get_logger("callevents.ingest")


def _check_signature(pbx: Pbx, request: Request) -> None:
    """Raise ProblemError for an invalid signature, if the PBX has a secret to verify it with."""
    signature = find_vendor(pbx.format).signature
    if signature is None:
        return
    try:
        secret = find_format_secret(pbx)
    except UnreadableError as error:
        raise ProblemError(503, str(error), headers={"Retry-After": "60"}) from None
    value = request.headers.get(signature.header, "")
    if secret and not signature.verify(read_raw(request), value, secret):
        raise ProblemError(
            401,
            f"The header {signature.header} is not a valid signature of this body with this "
            "PBX's secret. Enter the same secret on both sides.",
            headers={"WWW-Authenticate": 'Bearer realm="ingest"'},
        )


def read_message(request: Request) -> Message:
    """Return the message of query and body; raises ProblemError with 400 or 415.

    The bytes decide how the body is read, not the content type: some PBXs send JSON as a form.
    """
    query = _collect(split_pairs(request.query_string, "query"))
    query.pop(TOKEN, None)
    return Message.of(query, _read_body(request))


def query_token(request: Request) -> str:
    """Return the token in the query, empty if there is none; raises ProblemError with 400."""
    found = dict(split_pairs(request.query_string, "query"))
    return found.get(TOKEN, "")


def read(pbx: Pbx, request: Request) -> ReadResult:
    """Return the reports of the request's message; raises ProblemError."""
    _check_signature(pbx, request)
    message = read_message(request)
    try:
        result = READERS[pbx.format](message, lambda call_id: find_call_events(pbx, call_id))
    except InvalidError as error:
        raise ProblemError(
            422, f"{pbx.format.label}: {error}", errors=field_errors(error.errors)
        ) from None
    if result.ignored:
        log.info("report ignored", pbx=pbx.slug, reason=result.ignored)
    return result


def _read_body(request: Request) -> Mapping[str, object]:
    if request.method == "GET":
        return {}
    if request.content_encoding:
        raise ProblemError(415, "Compressed bodies are not supported. Send the body uncompressed.")
    raw = read_raw(request)
    if request.mimetype == MULTIPART:
        return _collect(request.form.items(multi=True))
    if not raw.strip():
        return {}
    if raw.lstrip()[:1] in {b"{", b"["} or request.mimetype == JSON:
        found = read_json(decode(raw))
        return found if isinstance(found, dict) else refuse("The body must be a JSON object.")
    return _collect(split_pairs(raw, "form"))


def _collect(pairs: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Return the fields; a name that occurs several times has a list of its values."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def answer(
    pbx: Pbx, token: str, results: list[dict[str, Any]], read_result: ReadResult
) -> Response:
    """Return the response: 200, because vendors' systems treat anything else as an error."""
    if reply := find_vendor(pbx.format).reply:
        url = url_for("ingest.receive", slug=pbx.slug, _external=True)
        return Response(reply.write(url, token), content_type=reply.content_type)
    document: dict[str, Any] = {"results": results}
    if read_result.ignored:
        document["passed_over"] = read_result.ignored
    response = jsonify(document)
    response.status_code = 207 if any(result["status"] == 422 for result in results) else 200
    return response
