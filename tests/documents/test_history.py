"""docs/history.md has every action, with its name on the pages."""

from callevents.audit.actions import Action
from tests.support.programs import ROOT


def test_every_action_is_documented() -> None:
    """A new action needs a row."""
    page = (ROOT / "docs" / "history.md").read_text()
    assert [one for one in Action if f"| `{one}` | {one.label} |" not in page] == []
