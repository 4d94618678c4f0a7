"""Body templates are checked before they are stored: content type, placeholders, JSON, maps."""

from dataclasses import replace

import pytest

from callevents.enums import BodyFormat, EventType, Method
from callevents.errors import InvalidError
from callevents.hooks.options import BodyTemplate, CustomHeader, HookOptions
from callevents.hooks.preview import example_call, typed_template
from callevents.hooks.validation import check_options

URL = "http://h/"


def options(text: str, content_type: str = "", **more: object) -> HookOptions:
    """Return options with a body template."""
    changed = HookOptions(
        body_format=BodyFormat.TEMPLATE, body_template=BodyTemplate(content_type, text)
    )
    return replace(changed, **more)  # type: ignore[arg-type]


def errors_of(checked: HookOptions, url: str = URL) -> dict[str, list[str]]:
    """Return the errors of the options."""
    try:
        check_options(checked, url=url)
    except InvalidError as error:
        return dict(error.errors)
    return {}


GOOD = """{
  "call": "{CallID}", "from": "{CallerIDNum|e164|or:unknown}", "kind": "{CallFlow|map:direction}",
  "at": {EventTime|unix|number}, "seconds": {TalkSeconds|number}, "queue": {Queue|json},
  "user": "{Extension|user}", "remote": "{answer.CALL_ID}", "day": "{EventTime|date:%Y-%m-%d}"
}"""


@pytest.mark.parametrize("event_type", EventType)
def test_a_good_template_makes_valid_json(event_type: EventType) -> None:
    """What is accepted becomes a JSON body for the example call of each event."""
    chosen = options(GOOD, value_maps={"direction": {"IN": "in", "OUT": "out"}})
    assert errors_of(chosen) == {}
    template = typed_template(Method.POST, URL, chosen, None)
    call = example_call(event_type, pbx_slug="office", extension="101")
    request = call.build(template)
    assert request.headers["Content-Type"] == "application/json"
    assert '"remote": "example-CALL_ID"' in request.body
    assert request.headers["Content-Length"] == str(len(request.body.encode()))


@pytest.mark.parametrize(
    ("text", "content_type", "field", "message"),
    [
        ("", "", "body_template", "Enter the template of the body."),
        (" \n", "text/plain", "body_template", "Enter the template of the body."),
        ("x" * 20_001, "text/plain", "body_template", "Must be at most 20,000 characters "),
        ("a\n\x00", "text/plain", "body_template", "Line 2: Must not contain the control "),
        ("a\n{CalID}", "text/plain", "body_template",
         "Line 2: Unknown placeholder {CalID}. Did you mean CallID? Available: "),
        ("{CallID|lover}", "text/plain", "body_template",
         "Line 1: In the placeholder {CallID|lover}: Unknown filter 'lover'. Did you mean lower?"),
        ("{CallID}\n" * 201, "text/plain", "body_template", "There can be at most 200 "),
        ('{\n"a": {CallID}}', "application/vnd.api+json", "body_template",
         "Line 2: {CallID} stands without quotes."),
        ("{", "", "body_template", "Not valid JSON in line 1: "),
        ("x", "text", "content_type", "Enter a content type of at most 100 characters"),
        ("x", "text/plain\r\nX: y", "content_type", "Enter a content type of at most 100 "),
        ("x", "multipart/form-data; boundary=x", "content_type", "A body cannot have several"),
        ("{CallFlow|map:way}", "text/plain", "body_template",
         "{CallFlow|map:way} has an unknown value map. Add it to the value maps."),
    ],
)  # fmt: skip
def test_wrong_templates(text: str, content_type: str, field: str, message: str) -> None:
    """The error is about the field, and says where and what."""
    found = errors_of(options(text, content_type))
    assert list(found) == [field]
    assert found[field][0].startswith(message)


def test_unknown_maps_in_url_and_headers() -> None:
    """A placeholder with a map that does not exist is refused wherever it stands."""
    maps = {"direction": {"IN": "in"}}
    chosen = HookOptions(
        headers=[CustomHeader("X-A", "{CallFlow|map:direction}"), CustomHeader("X-B", None)],
        value_maps=maps,
    )
    assert "header 1" not in errors_of(replace(chosen, headers=chosen.headers[:1]))
    found = errors_of(
        replace(chosen, headers=chosen.headers[:1]), "http://h/{CallFlow|map:derection}"
    )
    assert found["url"] == [
        "{CallFlow|map:derection} has an unknown value map. Did you mean direction? There are: "
        "direction."
    ]
    found = errors_of(replace(chosen, headers=chosen.headers[:1], value_maps={}))
    assert found["header 1"] == [
        "{CallFlow|map:direction} has an unknown value map. Add it to the value maps."
    ]


def test_a_template_that_is_not_used_is_kept() -> None:
    """Who tries another body format does not lose the template, even an unfinished one."""
    chosen = options("{ unfinished")
    kept = replace(chosen, body_format=BodyFormat.JSON)
    assert check_options(kept, url=URL).body_template == chosen.body_template
