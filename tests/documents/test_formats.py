"""The pages about ways in: one for each format, honest about what was tried, with sources."""

import re

import pytest

from callevents.enums import Format
from callevents.vendors.registry import READERS
from callevents.vendors.setup import MAKES
from tests.running.running import ROOT

FOLDER = ROOT / "docs" / "formats"
NOT_TRIED = "from the maker's document, not tried"
#: Says what the words mean, of no line in particular.
LEGEND = re.compile("What is marked 'tried'.*? its source code\\.")


@pytest.mark.parametrize("format_", READERS)
def test_page_of_a_format(format_: Format) -> None:
    """Each format has a page with its name, an address to paste, and the maker's document."""
    page = (FOLDER / f"{format_}.md").read_text()
    assert f"`{format_}`" in page
    assert "/ingest/head-office?token=TOKEN" in page
    assert "<http" in page


def test_what_was_not_tried_is_said() -> None:
    """A page says that its lines were not tried where, and only where, the 'Connect' page does."""
    for make in MAKES:
        if make.format is not Format.GENERIC:
            page = (FOLDER / f"{make.format}.md").read_text().lower()
            assert (NOT_TRIED in page) is not make.is_tried, make.slug


def test_list_of_formats() -> None:
    """The first page names every format and every page."""
    text = (FOLDER / "README.md").read_text()
    for format_ in Format:
        assert f"`{format_}`" in text
    for path in FOLDER.glob("*.md"):
        assert path.name == "README.md" or f"({path.name})" in text


@pytest.mark.parametrize(
    "name", ["asterisk.md", "freeswitch.md", "ingest.md", "formats/kamailio.md"]
)
def test_what_was_tried_is_said(name: str) -> None:
    """The pages whose lines were tried, at least in part, say which."""
    page = LEGEND.sub("", (ROOT / "docs" / name).read_text().replace("\n", " "))
    assert "tried" in page.replace(NOT_TRIED, "")
    assert (NOT_TRIED in page) is (name != "formats/kamailio.md")
