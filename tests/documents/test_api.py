"""docs/api.md explains every kind of error as the API's own pages do."""

import re

from callevents.api.v1.problem_guide import GUIDE
from callevents.api.v1.problems import ProblemType
from tests.support.programs import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text()


def test_each_kind_of_error_is_explained() -> None:
    """With an anchor of its name, its status, what it means and what to do."""
    found = {
        name: " ".join(text.split())
        for name, text in re.findall(r"^### ([a-z-]+)\n\n(.*?)(?=\n###|\Z)", PAGE, re.DOTALL | re.M)
    }
    expected = {
        str(kind): f"{kind.status}. {kind.sentence} {GUIDE[kind].meaning} {GUIDE[kind].action}"
        for kind in ProblemType
    }
    assert found == expected
