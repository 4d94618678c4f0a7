"""The integration pages: one for each format, honest about what was tested, with sources."""

import re
from pathlib import Path

import pytest

from callevents.enums import Format
from callevents.vendors.registry import READERS, list_guides
from tests.support.programs import ROOT

DOCS = ROOT / "docs"
FOLDER = DOCS / "integrations"
NOT_TESTED = "from the vendor's documentation, not tested"
#: Explains the two marks and marks no snippet.
LEGEND = re.compile(r"Snippets and settings marked 'tested'.*? its source code\.")


def read_page(path: Path) -> str:
    """Return the text of the page on one line, so that line breaks hide no phrase."""
    return " ".join(path.read_text().split())


@pytest.mark.parametrize("format_", READERS)
def test_page_of_a_format(format_: Format) -> None:
    """Each format has a page with its name, a URL to copy, and the vendor's documentation."""
    page = read_page(FOLDER / f"{format_}.md")
    assert f"`{format_}`" in page
    assert "/ingest/head-office?token=TOKEN" in page
    assert "<http" in page


def test_untested_snippets_are_marked() -> None:
    """A page marks its snippets as not tested if, and only if, the 'Connect' page does."""
    for vendor, guide in list_guides():
        if vendor.format is not Format.GENERIC:
            page = read_page(FOLDER / f"{vendor.format}.md").lower()
            assert (NOT_TESTED in page) is not guide.is_tested, guide.slug


def test_list_of_formats() -> None:
    """The index names every format and links every page."""
    text = (FOLDER / "README.md").read_text()
    for format_ in Format:
        assert f"`{format_}`" in text
    for path in FOLDER.glob("*.md"):
        assert path.name == "README.md" or f"({path.name})" in text


@pytest.mark.parametrize(
    "name", ["asterisk.md", "freeswitch.md", "ingest.md", "integrations/kamailio.md"]
)
def test_tested_snippets_are_marked(name: str) -> None:
    """The pages whose snippets were tested, at least in part, say which."""
    page = LEGEND.sub("", read_page(DOCS / name))
    assert re.search(r"\btested\b", page.replace(NOT_TESTED, ""))
    assert (NOT_TESTED in page) is (name in {"asterisk.md", "freeswitch.md"})
