"""docs/templates.md: its examples are what the filters do, and it names them all."""

import json
import re

import pytest

from callevents.delivery.request.dates import DIRECTIVES
from callevents.delivery.request.filters import FILTERS, Lookups
from callevents.delivery.request.numbers import NumberPlan
from callevents.delivery.request.placeholders import HANGUP_NAMES, Context, compile_text
from callevents.delivery.request.templates import fill_body, find_json_problem
from tests.support.programs import ROOT

PAGE = (ROOT / "docs" / "templates.md").read_text()
EXAMPLES = [
    tuple(
        cell.strip().strip("`").replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]
    )
    for line in PAGE.splitlines()
    if line.startswith("| `{") and "\\|" in line
]
LOOKUPS = Lookups(
    maps={
        "direction": {"IN": "inbound", "OUT": "outbound"},
        "cause": {"BUSY": "busy", "*": "other"},
    },
    users={"101": "ana@example.com"},
    plan=NumberPlan("RO"),
)


@pytest.mark.parametrize(("placeholder", "value", "expected"), EXAMPLES)
def test_examples(placeholder: str, value: str, expected: str) -> None:
    """Each example of the table becomes what the table says."""
    [part] = compile_text(placeholder)
    assert not isinstance(part, str)
    known = {part.name: "" if value == "(empty)" else value}
    assert part.fill(Context(known, LOOKUPS)) == expected


def test_everything_is_there() -> None:
    """The table has every filter; the page has all directives and names."""
    shown = {step.partition(":")[0] for one in EXAMPLES for step in one[0][1:-1].split("|")[1:]}
    assert shown == set(FILTERS)
    assert " ".join(f"%{name}" for name in sorted(DIRECTIVES)) == " ".join(
        sorted(re.findall(r"`((?:%\S+ ?)+)`, as in C", PAGE)[0].split())
    )
    assert all(f"`{{{name}}}`" in PAGE for name in HANGUP_NAMES)


def test_the_template_is_valid() -> None:
    """The JSON template passes the check, and makes JSON."""
    [text] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert find_json_problem(text) == ""
    assert json.loads(fill_body(text, "application/json", Context({}, LOOKUPS)))["at"] is None
