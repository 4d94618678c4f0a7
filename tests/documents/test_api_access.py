"""docs/api-access.md has every scope of API tokens, and what it allows."""

import re

from callevents.api_access.scopes import INSTALLATION_SCOPES, V1_SCOPES
from tests.support.programs import ROOT

PAGE = (ROOT / "docs" / "api-access.md").read_text()


def test_every_scope_is_documented() -> None:
    """The table has the scopes in their order, in the words of the pages."""
    rows = re.findall(r"^\| `([a-z]+:[a-z]+)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(scope.value, scope.description) for scope in V1_SCOPES]


def test_scopes_that_a_limited_token_cannot_have() -> None:
    """They are named, and no others."""
    section = PAGE.partition("\n## Limit a token to one PBX\n")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z]+:[a-z]+)`", section)
    assert sorted(named) == sorted(INSTALLATION_SCOPES)
