"""The reference of the management API."""

import re

import pytest

from callevents.api.v1.documents import api_document
from callevents.api.v1.problems import ProblemType
from callevents.web.api_reference import Reference, to_html
from tests.web.conftest import Visitor

INDEX = "/api/docs"


def ids_in(page: str) -> list[str]:
    """Return all ids of the page."""
    return re.findall(r'\bid="([^"]+)"', page)


def test_everyone_may_see_it(stranger: Visitor, viewer: Visitor) -> None:
    """Without signing in there is a link to sign in, afterwards the usual bar."""
    for visitor, link in ((stranger, 'href="/sign-in"'), (viewer, 'id="account-menu"')):
        answer = visitor.get(INDEX)
        assert answer.status_code == 200
        assert link in answer.text


def test_each_kind_of_error_has_its_anchor(stranger: Visitor) -> None:
    """The `type` of an error leads to its explanation."""
    ids = ids_in(stranger.get(INDEX).text)
    assert {str(kind) for kind in ProblemType} <= set(ids)
    assert len(ids) == len(set(ids))


def test_each_operation_is_described(stranger: Visitor) -> None:
    """The first page links to each operation, with its method, path and scope."""
    document = api_document()
    index = stranger.get(INDEX).text
    for path, methods in document["paths"].items():
        assert f"<code>{path}</code>" in index
        for one in methods.values():
            slug = one["tags"][0].lower().replace(" ", "-")
            assert f'href="{INDEX}/{slug}#{one["operationId"]}"' in index
            assert one["operationId"] in ids_in(stranger.get(f"{INDEX}/{slug}").text)


def test_each_page_has_unique_ids(stranger: Visitor) -> None:
    """So that links lead to one place."""
    for group in Reference(api_document()).groups:
        ids = ids_in(stranger.get(f"{INDEX}/{group.slug}").text)
        assert len(ids) == len(set(ids)), group.name


def test_what_is_sent_to_receivers(stranger: Visitor) -> None:
    """The webhooks are described with their parameters and header fields."""
    page = stranger.get(f"{INDEX}/what-we-send").text
    for text in ("sendHangupByPost", "HangupCause", "webhook-signature", "+40721000001"):
        assert text in page


@pytest.mark.parametrize("path", ["/api/docs/nothing", "/api/docs/", "/api/docs/%00"])
def test_nothing_else(stranger: Visitor, path: str) -> None:
    """An unknown group is a page that does not exist."""
    assert stranger.get(path).status_code == 404


def test_the_example_has_an_address_of_this_server(stranger: Visitor) -> None:
    """A host that is not known to be ours is not repeated."""
    answer = stranger.get(INDEX, headers={"Host": "evil.example.com"})
    assert "http://YOUR-SERVER/api/v1/me" in answer.text
    assert "http://localhost/api/v1/me" in stranger.get(INDEX).text


def document(schema: dict[str, object]) -> dict[str, object]:
    """Return a document with one operation that takes this body."""
    operation = {
        "operationId": "doIt",
        "summary": "Do it",
        "description": "Does it.",
        "tags": ["Things"],
        "x-scope": "things:write",
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "responses": {"204": {"description": "Done."}},
    }
    return {
        "info": {"description": ""},
        "tags": [{"name": "Things", "description": ""}],
        "paths": {"/things": {"post": operation}},
        "webhooks": {},
        "components": {
            "schemas": {
                "Part": {
                    "type": "object",
                    "properties": {
                        "kind": {"enum": ["a", "b"]},
                        "part": {"$ref": "#/components/schemas/Part"},
                    },
                    "required": ["kind"],
                }
            }
        },
        "x-problem-types": [],
    }


PART = {"$ref": "#/components/schemas/Part"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 2000}, "integer, 1 to 2,000"),
        ({"type": "string", "maxLength": 1000}, "string, at most 1,000 characters"),
        ({"type": "string", "format": "date-time"}, "date-time"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"enum": ["a", "b"]}, "one of a, b"),
        ({"const": "a"}, "one of a"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "object of integer"),
        ({}, "any"),
    ],
)
def test_types_in_words(schema: dict[str, object], expected: str) -> None:
    """People read them."""
    body = {"type": "object", "properties": {"it": schema}}
    [group] = Reference(document(body)).groups
    assert [row.type for row in group.routes[0].body] == [expected]


def test_fields_of_objects_in_objects() -> None:
    """They follow with their path, to a limit if an object contains itself."""
    schema = {
        "type": "object",
        "properties": {
            "parts": {"type": "array", "items": PART},
            "one": {"anyOf": [PART, {"type": "null"}]},
        },
    }
    [group] = Reference(document(schema)).groups
    rows = group.routes[0].body
    names = [row.name for row in rows]
    assert names[:4] == ["parts", "parts[].kind", "parts[].part", "parts[].part.kind"]
    assert "one.kind" in names
    assert len(names) < 20
    assert [row.name for row in rows if row.is_required][:1] == ["parts[].kind"]
    assert group.routes[0].scope == "things:write"


def test_descriptions_as_html() -> None:
    """Paragraphs, lists, code and strong text; everything else is escaped."""
    text = "Use `a<b>` **now**.\n\n- one\n- two\n  more\n\n<script>"
    assert to_html(text) == (
        "<p>Use <code>a&lt;b&gt;</code> <strong>now</strong>.</p>\n"
        "<ul><li>one</li><li>two\n  more</li></ul>\n<p>&lt;script&gt;</p>"
    )
