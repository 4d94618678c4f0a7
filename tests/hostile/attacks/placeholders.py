"""Values of calls that break out of the URL, the header, the form or the JSON they are put into."""

import json
import threading
from collections.abc import Iterator
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import parse_qsl, unquote

from sqlalchemy import select

from callevents.db.models import CallEvent
from callevents.delivery.request.placeholders import PARAMETER_NAMES
from tests.hostile.arena import Arena, Case
from tests.hostile.requests_raw import PATH, new_id, post
from tests.hostile.talks import Talk, converse
from tests.support.receiver import Arrival, Receiver, Reply
from tests.support.waiting import wait_until

EXTENSION = "placeholders"
VALUES = (
    "a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1",
    "a\r\n\r\nGET /inner HTTP/1.1\r\n\r\n",
    "a\x0bb", "a\x0cb", "a\x00b", "a\x85X-Injected: 1", "a\u2028b", "a\u2029b",
    "a\u010d\u010aX-Injected: 1",
    "%0d%0aX-Injected: 1", "%0D%0A%0D%0A", "%00", "%", "%%", "%zz", "%25%30%64",
    '","X":"1', '"}', "\\", '\\"', "\\u0022", "{}", "[]", "</script><script>alert(1)</script>",
    "\ufeff",
    "a&X=1", "a=b&CallID=forged", "a;X=1", "a+b c", "a#b", "a?b", "?x=1", "../../admin", "..",
    ".", "%2e%2e",
    "..%2f..%2fadmin", "/", "//evil.example/", "\\\\evil.example\\", "@evil.example", ":8080",
    "{CallID}", "{CallerIDNum}{PBX}", "{{7*7}}", "${7*7}", "$(id)", "`id`", "%s%n",
    "{0.__class__}",
    " a ", "\t", "\u202eabc", "\u00fc\u0416\u738b\U0001f600", "x" * 255, "' OR '1'='1", "a,b",
    "a: b",
)  # fmt: skip
TEMPLATE = """{
  "name": "{CallerIDName}",
  "names": ["\\"{CallerIDName}\\\\{CallerIDName}", {CallerIDName|json}],
  "ext": "{Extension|lower}"
}"""


class _Receiver:
    """Collects the requests of each call."""

    def __init__(self) -> None:
        self.arrived: dict[str, list[Arrival]] = {}
        self._lock = threading.Lock()
        self._receiver = Receiver()
        self._receiver.reply = self._reply
        self.url = self._receiver.url

    def close(self) -> None:
        self._receiver.close()

    def _reply(self, arrival: Arrival) -> Reply:
        call = arrival.headers.get("X-Call", "")
        with self._lock:
            self.arrived.setdefault(call, []).append(arrival)
        return Reply()


def breakouts(arena: Arena) -> Iterator[Case]:
    """Line breaks, quotes, separators and placeholders in a caller's name: a request is forged."""
    receiver = _Receiver()
    try:
        _add_hooks(arena, receiver.url)
        values = VALUES[:: arena.scale(1, 6)]
        calls = [new_id("value") for _ in values]
        accepted = _report(arena, values, calls)
        for value, call in zip(values, calls, strict=True):
            if call not in accepted:
                yield Case(f"{value[:40]!r} is refused")
                continue
            wait_until(lambda call=call: len(receiver.arrived.get(call, ())) >= 4, f"{value!r}")  # type: ignore[misc]  # a default binds it
            for arrival in receiver.arrived[call]:
                for place, complaint in _judge(arrival, accepted[call]):
                    yield Case(f"{value[:40]!r} in the {place}", complaint)
        strange = receiver.arrived.keys() - accepted.keys()
        yield Case("other requests", f"{strange}" if strange else "")
    finally:
        receiver.close()


def _add_hooks(arena: Arena, url: str) -> None:
    run = arena.product.commands.run
    run("extensions", "add", "target", EXTENSION)
    headers = ("--header", "X-Call: {CallID}", "--header", "X-Name: {CallerIDName}")
    hook = ("hooks", "set", "target", EXTENSION, "dial-in", "--add", "--no-order", *headers)
    run(*hook, "--url", f"{url}/a/{{CallerIDName}}/b?x={{CallerIDName}}&y=z")
    run(*hook, "--url", f"{url}/form", "--method", "POST")
    run(*hook, "--url", f"{url}/json", "--method", "POST", "--body", "json")
    with NamedTemporaryFile("w", suffix=".json") as template:
        template.write(TEMPLATE)
        template.flush()
        run(*hook, "--url", f"{url}/template", "--method", "PUT", "--template", template.name)


def _report(arena: Arena, values: tuple[str, ...], calls: list[str]) -> dict[str, str]:
    """Report a call with each value; return the names as they were stored, by call."""
    token = f"X-Ingest-Token: {arena.product.token}"
    talks = []
    for value, call in zip(values, calls, strict=True):
        fields = {"event": "dial-in", "ext": EXTENSION, "call": call, "id": call}
        body = json.dumps({**fields, "caller_name": value}).encode()
        kind = "Content-Type: application/json"
        talks.append(Talk([post(call, PATH, body, token, kind, close=True)]))
    statuses = [talk.data[9:12] for talk in converse(arena.product.port, talks)]
    assert set(statuses) <= {b"202", b"422"}, statuses
    statement: Any = select(CallEvent.call_id, CallEvent.caller_name)
    found = arena.product.query(statement.where(CallEvent.call_id.in_(calls)))
    return {row.call_id: row.caller_name for row in found}


def _judge(arrival: Arrival, name: str) -> Iterator[tuple[str, str]]:
    """Yield each place of the request that has the name, and what is wrong there."""
    path, _, query = arrival.target.partition("?")
    header = unquote(arrival.headers.get("X-Name", ""))
    extra = arrival.headers.keys() - EXPECTED_HEADERS
    yield "header", "" if header == name and not extra else f"{header!r} {extra}"
    if arrival.method == "GET":
        segments = path.split("/")
        is_right = len(segments) == 4 and segments[1::2] == ["a", "b"]
        # What leads to another folder is escaped twice.
        found = unquote(segments[2]) if is_right else ""
        is_right = is_right and (found == name or unquote(found) == unquote(name))
        is_right = is_right and found not in {".", ".."}
        yield "path", "" if is_right else path
        fields = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))
        is_right = fields.pop("x", None) == name and fields.pop("y", None) == "z"
        yield "query", _judge_fields(fields, name) if is_right else query
        return
    if path == "/template":
        right = {"name": name, "names": [f'"{name}\\{name}', name or None], "ext": EXTENSION}
        yield "template", "" if json.loads(arrival.body) == right else arrival.body
    elif path == "/json":
        yield "JSON", _judge_fields(json.loads(arrival.body), name)
    else:
        pairs = parse_qsl(arrival.body, keep_blank_values=True, strict_parsing=True)
        yield "form", _judge_fields(dict(pairs), name)


def _judge_fields(fields: dict[str, Any], name: str) -> str:
    is_right = fields.get("CallerIDName") == name and fields.get("Extension") == EXTENSION
    return "" if is_right and fields.keys() == set(PARAMETER_NAMES) else f"{fields}"


#: What a request has without any value; no value may add one.
EXPECTED_HEADERS = {
    "Accept", "Accept-Encoding", "Connection", "Content-Length", "Content-Type", "Host",
    "User-Agent",
    "X-Call", "X-Name",
}  # fmt: skip

ATTACKS = (breakouts,)
