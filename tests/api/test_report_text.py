"""What 'Recent reports' keeps of a request has no secrets, however they are encoded."""

import json
import re
from urllib.parse import quote, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from callevents.api.report_text import describe_request, mask_detail

TOKEN = "cet_" + "Zm9vYmFyLWZvb2Jhci1mb29iYXItZm9vYmFyLWZvbw"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def describe(body: str | bytes = "", kind: str = "", query: str = "", token: str = "") -> str:
    """Return the description of a POST."""
    raw = body.encode() if isinstance(body, str) else body
    builder = EnvironBuilder(
        "/ingest/x", method="POST", query_string=query, data=raw, content_type=kind
    )
    with Request(builder.get_environ()) as request:
        return describe_request(request, token)


def escape(text: str) -> str:
    """Return the text with JSON escapes for all characters."""
    return "".join(f"\\u{ord(character):04x}" for character in text)


def percent(text: str) -> str:
    """Return the text with all characters percent-encoded."""
    return "".join(f"%{ord(character):02X}" for character in text)


def reveal(text: str) -> str:
    """Undo every encoding that a reader could undo."""
    for _ in range(8):
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
        text = unquote_plus(text)
    return text


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        ('{"ext": "101", "token": "short"}', JSON, '{"ext": "101", "token": "••••"}'),
        ('{"ext": "101", "\\u0074oken": "short"}', JSON, '{"ext": "101", "token": "••••"}'),
        (f'{{"call": "{escape(TOKEN)}", "ext": 1}}', JSON, '{"call": "••••", "ext": 1}'),
        ('{"a": {"b": [{"password": "p"}, 2]}}', JSON, '{"a": {"b": [{"password": "••••"}, 2]}}'),
        ('{"token": "first", "token": ""}', JSON, '{"token": "••••"}'),
        ('{"a": "{\\"secret\\": \\"x\\"}"}', JSON, '{"a": "••••"}'),
        (
            '{"headers": {"Authorization": "Basic x"}}',
            JSON,
            '{"headers": {"Authorization": "••••"}}',
        ),
        ('{"value": "Basic dTpw"}', JSON, '{"value": "••••"}'),
        ('{"ext": 1}\n{"token": "x"}', "application/x-ndjson", '{"ext": 1}\n{"token": "••••"}'),
        ('{"token": "x"}', FORM, '{"token": "••••"}'),
        ("ext=101&token=x", FORM, "ext=101&token=••••"),
        ("ext=101&%74oken=x", FORM, "ext=101&%74oken=••••"),
        ("ext=101&Api-Key=x", "", "ext=101&Api-Key=••••"),
        (f"ext=101&call={percent(TOKEN)}", FORM, "ext=101&call=••••"),
        (f"ext=101&url={quote('http://x/?token=abc', '')}", FORM, "ext=101&url=••••"),
        (f"ext=101&url={quote(quote('http://x/?token=abc', ''), '')}", FORM, "ext=101&url=••••"),
        (f"ext=101&url={quote('http://me:pw@x/', '')}", FORM, "ext=101&url=••••"),
        ("ext=101&json=" + quote('{"token": "abc"}'), FORM, "ext=101&json=••••"),
        (f"{TOKEN}&ext=1", FORM, "••••&ext=1"),
        ("ext=1;token=x", FORM, "ext=••••"),
    ],
)
def test_secret_fields(body: str, kind: str, expected: str) -> None:
    """A secret field's value is masked, and the rest of the report stays readable."""
    assert describe(body, kind).partition("\n\n")[2] == expected


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"ext": "101",   "call": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}', JSON),
        ('[{"ext": 1},\n {"ext": 2}]', JSON),
        ("event=dial-in&ext=%3Cb%3E&call=f81d4fae-7dec-11d0-a765-00a0c91e6bf6", FORM),
        ("event=x&name=M%FCller", FORM),
    ],
)
def test_reports_without_secrets_stay_as_they_are(body: str, kind: str) -> None:
    """What has no secret is shown as it was sent."""
    assert describe(body, kind) == f"POST /ingest/x\nContent-Type: {kind}\n\n{body}"


@pytest.mark.parametrize(
    "body",
    [
        f'{{"token": "{TOKEN}"',
        f'{{"call": "{TOKEN}',
        f'{{"a": "{escape(TOKEN)}", }}',
        f"<xml><call>{TOKEN}</call></xml>",
        f"<xml>{percent(TOKEN)}</xml>",
        "Authorization: Basic dTpw, ext",
        "http://me:dTpw@x/",
        '{"password": "dTpw", oops}',
        "<password>dTpw</password>",
        '{"a": 1}\n{"password": "dTpw", oops}\n{"token": "dTpw"}',
        "[" * 100_000 + f'"{TOKEN}"',
        '{"a":' * 900 + f'"{TOKEN}"' + "}" * 900,
    ],
)
@pytest.mark.parametrize("kind", [JSON, FORM, "text/xml", "", "application/x-ndjson"])
def test_what_cannot_be_parsed(body: str, kind: str) -> None:
    """Malformed and unsupported bodies are masked wherever a secret could be."""
    shown = reveal(describe(body, kind))
    assert TOKEN not in shown
    assert "dTpw" not in shown


def test_malformed_report_stays_readable() -> None:
    """The place where JSON breaks off can still be seen."""
    shown = describe('{"event": "dial-in", "ext": "101", oops, "token": "x"}', JSON)
    assert '{"event": "dial-in", "ext": "101", oops, "token": "••••"}' in shown


def test_multipart() -> None:
    """The fields of a multipart form are listed, files only by name."""
    body = (
        "--b\r\nContent-Disposition: form-data; name=ext\r\n\r\n101\r\n"
        f"--b\r\nContent-Disposition: form-data; name=token\r\n\r\n{TOKEN}\r\n"
        f'--b\r\nContent-Disposition: form-data; name=f; filename="f"\r\n\r\n{TOKEN}\r\n--b--\r\n'
    )
    shown = describe(body, "multipart/form-data; boundary=b")
    assert shown.partition("\n\n")[2] == "ext: 101\ntoken: ••••\nf: (a file)"
    assert TOKEN not in describe(
        body.partition("--b\r\nContent-Disposition: form-data; name=f")[0],
        "multipart/form-data; boundary=b",
    )
    assert TOKEN not in describe(body, "multipart/form-data; boundary=other")


def test_compressed_body_and_content_type() -> None:
    """A compressed body is not shown, nor a content type with a secret."""
    builder = EnvironBuilder(
        "/ingest/x",
        method="POST",
        data=TOKEN.encode(),
        content_type=f"text/plain; token={TOKEN}",
        headers={"Content-Encoding": "gzip"},
    )
    shown = describe_request(Request(builder.get_environ()), "")
    assert shown == "POST /ingest/x\nContent-Type: ••••\n\n(a compressed body)"


def test_query_and_token_of_the_request() -> None:
    """The query is masked as a form is; the request's own token is masked wherever it stands."""
    shown = describe("odd own", "text/plain", "%74oken=a&event=fax&x=own", token="own")
    assert (
        shown
        == "POST /ingest/x?%74oken=••••&event=fax&x=••••\nContent-Type: text/plain\n\nodd ••••"
    )
    assert mask_detail(f"'{TOKEN}' and own", "own") == "'••••' and ••••"


ENCODINGS = st.lists(
    st.sampled_from(
        [
            percent,
            quote,
            escape,
            lambda text: json.dumps({"call": text}),
            lambda text: json.dumps([text, {"ext": "1"}]),
            lambda text: f"ext=1&call={quote(text, '')}",
            lambda text: f"http://x.example/?call={text}",
        ]
    ),
    max_size=3,
)


@given(
    ENCODINGS,
    st.sampled_from([JSON, FORM, "", "text/plain", "application/x-ndjson"]),
    st.booleans(),
)
def test_no_encoding_shows_a_token(encodings: list[object], kind: str, in_query: bool) -> None:
    """A token is not shown in any combination of encodings, in a body or in a query."""
    text = TOKEN
    for encode in encodings:
        text = encode(text)  # type: ignore[operator]
    shown = describe(query=quote(text, "=&%")) if in_query else describe(text, kind)
    assert TOKEN not in reveal(shown)
