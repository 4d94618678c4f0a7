"""The OpenAPI document: valid, complete, and the same everywhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from callevents.api.v1.openapi import make_document
from callevents.api.v1.openapi.printing import print_document
from callevents.api.v1.openapi.texts import TAGS
from callevents.api.v1.operations import PREFIX, REGISTRY
from callevents.delivery.request.descriptions import DESCRIPTIONS
from callevents.delivery.request.placeholders import PARAMETER_NAMES, VALUE_NAMES
from callevents.enums import EventType
from tests.api.v1.conftest import Api
from tests.api.v1.things import THINGS
from tests.support import node_tools

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document."""
    return make_document()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of each operation."""
    return [
        (method, path, one)
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    ]


def test_it_is_valid(document: dict[str, Any]) -> None:
    """As the specification says."""
    OpenAPIV31SpecValidator(document).validate()


@pytest.mark.slow
def test_spectral_finds_nothing(document: dict[str, Any], tmp_path: Path) -> None:
    """Neither an error nor a warning, nor a hint; a broken document shows that it looks."""
    node_tools.install()
    path = tmp_path / "openapi.json"
    options = ("--ruleset", node_tools.FOLDER / "spectral.yaml", "--fail-severity", "hint")
    path.write_text(print_document(document))
    node_tools.run("@stoplight/spectral-cli/dist/index.js", "lint", path, *options)
    broken = {**document, "tags": []}
    path.write_text(print_document(broken))
    with pytest.raises(AssertionError, match="operation-tag-defined"):
        node_tools.run("@stoplight/spectral-cli/dist/index.js", "lint", path, *options)


def test_the_committed_document(document: dict[str, Any]) -> None:
    """docs/openapi.json is what `flask openapi` prints."""
    committed = (DOCS / "openapi.json").read_text()
    sentence = "Run: .venv/bin/flask openapi > docs/openapi.json"
    assert committed == print_document(document), sentence


def test_it_is_served_without_a_token(app: Flask, nobody: Api, document: dict[str, Any]) -> None:
    """It is public, and the command prints the same."""
    answer = nobody.get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == document
    assert app.test_cli_runner().invoke(args=["openapi"]).stdout == answer.text


def test_each_operation_is_described(document: dict[str, Any]) -> None:
    """Summary, description, tag, and examples of body and answer."""
    for method, path, one in operations(document):
        where = f"{method} {path}"
        assert one["summary"], where
        assert not one["summary"].endswith("."), where
        assert len(one["summary"]) <= 60, where
        assert one["description"].endswith((".", "`", ":")), where
        assert len(one["tags"]) == 1, where
        if path == f"{PREFIX}/openapi.json":
            continue
        contents = [*one.get("requestBody", {}).get("content", {}).values()]
        done = next(reply for status, reply in one["responses"].items() if status < "300")
        contents += done.get("content", {}).values()
        assert all("example" in content for content in contents), where


def test_each_tag_is_described(document: dict[str, Any]) -> None:
    """Operations are grouped, and each group says what it is about."""
    for tag in document["tags"]:
        assert tag["description"].endswith("."), tag
    assert {tag["name"] for tag in document["tags"]} <= set(TAGS)


def test_ids_are_unique(document: dict[str, Any]) -> None:
    """Generated clients make functions of them."""
    webhooks = [one for methods in document["webhooks"].values() for one in methods.values()]
    found = [one["operationId"] for *_, one in operations(document)]
    found += [one["operationId"] for one in webhooks]
    assert len(found) == len(set(found))
    assert all(name.isidentifier() for name in found)


def test_schemas_have_plain_names(document: dict[str, Any]) -> None:
    """Generated clients make classes of them: HookPage, and no names of modules."""
    schemas = document["components"]["schemas"]
    assert [name for name in schemas if not name.isalnum()] == []
    assert {"HookPage", "PbxPage"} <= schemas.keys()
    # Some take the title instead.
    assert [name for name, one in schemas.items() if one.get("title", name) != name] == []


def test_scopes_are_those_of_the_operations(document: dict[str, Any]) -> None:
    """Both kinds of tokens need the same scope."""
    for one in REGISTRY.operations:
        described = document["paths"][PREFIX + one.path][one.method.lower()]
        scopes = [one.scope.value] if one.scope else []
        assert described["security"] == [{"token": []}, {"app": scopes}]
        assert described.get("x-scope") == one.scope


def test_routes_that_will_go() -> None:
    """They are marked, and their answers document the header fields."""
    document = make_document(THINGS)
    old = document["paths"][f"{PREFIX}/old-things"]["get"]
    assert old["deprecated"] is True
    for status in ("200", "400"):
        reply = old["responses"][status]
        if "$ref" in reply:
            reply = document["components"]["responses"][reply["$ref"].rpartition("/")[2]]
        assert {"Deprecation", "Sunset"} <= reply["headers"].keys()
    flags = document["paths"][f"{PREFIX}/flags"]["get"]
    assert "deprecated" not in flags
    assert "Deprecation" not in flags["responses"]["200"]["headers"]


def test_headers_of_operations() -> None:
    """Each operation has the fields that its kind heeds and answers with."""
    paths = make_document(THINGS)["paths"]

    def sent(path: str, method: str) -> set[str]:
        fields = paths[PREFIX + path][method].get("parameters", ())
        return {one["$ref"].rpartition("/")[2] for one in fields if "$ref" in one}

    def answered(path: str, method: str, status: str) -> set[str]:
        return set(paths[PREFIX + path][method]["responses"][status]["headers"])

    general = {"RateLimit", "RateLimit-Policy", "X-Request-ID"}
    assert sent("/things", "post") == {"IdempotencyKey"}
    assert sent("/things/{slug}", "get") == {"IfNoneMatch"}
    assert sent("/things/{slug}", "patch") == {"IfMatch"}
    assert sent("/things/{slug}", "put") == {"IfMatch"}
    assert answered("/things", "post", "201") == general | {"Location", "Idempotent-Replayed"}
    assert answered("/things", "get", "200") == general | {"Link"}
    assert answered("/things/{slug}", "get", "200") == general | {"ETag"}
    assert answered("/things/{slug}", "get", "304") == general | {"ETag"}


def test_an_answer_without_content_has_no_version(document: dict[str, Any]) -> None:
    """What was removed has none."""
    gone = [
        one["responses"]["204"] for *_, one in operations(document) if "204" in one["responses"]
    ]
    assert gone
    assert not any("ETag" in one["headers"] for one in gone)


def test_what_we_send(document: dict[str, Any]) -> None:
    """One webhook for each event type, with all parameters and what receivers may answer."""
    assert set(document["webhooks"]) == {event.slug for event in EventType}
    for slug, methods in document["webhooks"].items():
        names = list(VALUE_NAMES if slug == "hangup" else PARAMETER_NAMES)
        query = [one for one in methods["get"]["parameters"] if one["in"] == "query"]
        assert [one["name"] for one in query] == names
        assert next(o for o in query if o["name"] == "EventType")["example"] == slug
        contents = methods["post"]["requestBody"]["content"]
        assert set(contents) == {"application/x-www-form-urlencoded", "application/json"}
        for content in contents.values():
            assert list(content["example"]) == names
        assert {"2XX", "410", "default"} == set(methods["post"]["responses"])


def test_parameters_are_described() -> None:
    """In the order in which they are sent."""
    assert list(DESCRIPTIONS) == list(VALUE_NAMES)


def test_it_has_no_order_of_its_own(document: dict[str, Any]) -> None:
    """Names are sorted, so that a change in the code changes only its own lines."""
    text = print_document(document)
    assert text == print_document(json.loads(text))
