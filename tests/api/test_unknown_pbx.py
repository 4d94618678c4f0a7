"""A stranger cannot learn from the ingest route which PBXs there are."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import Format
from callevents.extensions import db
from callevents.pbxs import pbxs
from tests.api.conftest import EVENT, is_empty
from tests.support.log_capture import Logged
from tests.support.served import Served
from tests.support.statement_count import counting

KNOWN, UNKNOWN = "/ingest/head-office", "/ingest/head-offica"
WRONG = {"X-Ingest-Token": "cet_wrong"}
#: Differ in each response.
VARIABLE = {"X-Request-ID", "Date"}
NDJSON = {"Content-Type": "application/x-ndjson"}

REQUESTS: dict[str, dict[str, Any]] = {
    "query": {"method": "GET", "query_string": {**EVENT, "token": "cet_wrong"}},
    "no token": {"method": "POST", "json": EVENT},
    "json": {"method": "POST", "json": EVENT, "headers": WRONG},
    "token in json": {"method": "POST", "json": {**EVENT, "token": "cet_wrong"}},
    "batch": {"method": "POST", "json": [EVENT, EVENT], "headers": WRONG},
    "form": {"method": "POST", "data": EVENT, "headers": WRONG},
    "basic": {"method": "POST", "json": EVENT, "auth": ("x", "cet_wrong")},
    "bearer": {"method": "POST", "json": EVENT, "headers": {"Authorization": "Bearer cet_wrong"}},
    "lines": {"method": "POST", "data": "{}\n{}", "headers": WRONG | NDJSON},
    "multipart": {
        "method": "POST",
        "data": {**EVENT, "token": "cet_wrong"},
        "content_type": "multipart/form-data",
    },
    "malformed": {"method": "POST", "data": "{", "headers": WRONG | {"Content-Type": "text/xml"}},
    "malformed without token": {"method": "POST", "data": "{", "content_type": "application/json"},
    "empty": {"method": "POST", "headers": WRONG},
    "head": {"method": "HEAD", "headers": WRONG},
    "put": {"method": "PUT", "json": EVENT, "headers": WRONG},
}


@pytest.fixture(params=["generic", "yeastar", "sipgate", "kamailio"])
def pbx_of_a_format(request: pytest.FixtureRequest, pbx: Pbx) -> Pbx:
    """A PBX that reports in one of the formats; Yeastar's has a signature."""
    begin_write()
    found = pbxs.get_pbx(pbx.slug)
    secret = "s3cret" if request.param == "yeastar" else None
    pbxs.set_format(found, Format(request.param), secret)
    db.session.commit()
    return found


@pytest.mark.usefixtures("pbx_of_a_format")
def test_same_response_and_same_work(client: FlaskClient) -> None:
    """Status, headers, body and the statements do not tell whether the PBX exists."""
    for path in (KNOWN, UNKNOWN):
        client.post(path, json=EVENT, headers=WRONG)  # prepares what later requests share
    for name, options in REQUESTS.items():
        responses, statements = [], []
        for path in (KNOWN, UNKNOWN):
            executed: list[str] = []
            with counting(executed):
                response = client.open(path, **options)
            headers = {one: value for one, value in response.headers if one not in VARIABLE}
            responses.append((response.status_code, headers, response.data))
            statements.append(executed)
        assert responses[0] == responses[1], name
        assert statements[0] == statements[1], name
        assert responses[0][0] >= 400, name
    assert is_empty()


@pytest.mark.parametrize(
    "send",
    [
        lambda served, path: served.send(path=path, json=EVENT, headers=WRONG),
        lambda served, path: served.send(path=path, data=EVENT, headers=WRONG),
        lambda served, path: served.send(
            path=f"{path}?token=x&event=0&ext=1", method="GET", headers={}
        ),
    ],
    ids=["json", "form", "query"],
)
def test_same_response_of_the_web_server(
    served: Served, send: Callable[[Served, str], Any]
) -> None:
    """On a socket too, where the fast path sees the request first and knows the PBX's token."""
    known, unknown = (send(served, path) for path in (KNOWN, UNKNOWN))
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert known.status_code == 401
    shown = [
        {
            name: value
            for name, value in one.headers.items()
            if name.title() not in {"Date", "X-Request-Id"}
        }
        for one in (known, unknown)
    ]
    assert shown[0] == shown[1]


def test_log_tells_the_operator(client: FlaskClient, pbx: Pbx, logged: Logged) -> None:
    """The log says what was wrong, with the name as it was sent and its odd characters escaped."""
    for path in (KNOWN, "/ingest/no%0Abody%1B"):
        for headers in (WRONG, {}):
            client.post(path, json=EVENT, headers=headers)
    refused = [json.loads(line) for line in logged.lines if "report refused" in line]
    assert [(one["pbx"], one["reason"]) for one in refused] == [
        ("head-office", "token not valid"),
        ("head-office", "no token"),
        (r"no\nbody\x1b", "no such PBX"),
        (r"no\nbody\x1b", "no such PBX"),
    ]
