"""docs/api.md explains every error, under the name that `type` has."""

import re

from callevents.api.v1.problem_guide import GUIDE
from callevents.api.v1.problems import ProblemType
from tests.support.programs import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text()


def test_every_error_has_its_anchor() -> None:
    """The headings are the errors in their order, with the texts of /api/docs."""
    section = PAGE.partition("\n## Errors\n")[2]
    names = re.findall(r"^### (.+)$", section, re.MULTILINE)
    assert names == [kind.value for kind in ProblemType]
    for kind, text in zip(names, section.split("\n### ")[1:], strict=True):
        found = ProblemType(kind)
        expected = f"{found.status}. {found.sentence} {GUIDE[found].meaning} {GUIDE[found].action}"
        assert " ".join(text.removeprefix(kind).split()) == expected
