"""The map and the walks in CONTRIBUTING.md, and the decisions, name files that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "callevents"
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
MAP = re.search(r"^## Where things are$.*?^```\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)[1]  # type: ignore[index]
#: A line of the map: its indentation, what it is about, and the rest. Other lines continue one.
ENTRY = re.compile(r"^( {0,2})([\w/.]+)(?: {2,}(.*))?$")
NAME = re.compile(r"[\w/]+(?:/|\.py)(?![\w/])")
FILE = re.compile(r"`([\w/]+\.(?:py|html|js|css))`")
#: Maximum number of lines of a walk.
MAX_LINES = 15


def read_map() -> Iterator[tuple[Path, list[str]]]:
    """Yield each path on the map with the names that its description contains."""
    path: Path | None = None
    names: list[str] = []
    for line in MAP.splitlines():
        if (entry := ENTRY.match(line)) is None:
            names += NAME.findall(line)
            continue
        if path is not None:
            yield path, names
        indent, name, description = entry.groups()
        path = (PACKAGE if indent else ROOT) / name
        names = NAME.findall(description or "")
    assert path is not None
    yield path, names


PLACES = dict(read_map())


def test_everything_on_the_map_exists() -> None:
    """No entry names a folder or a module that does not exist."""
    named = {*PLACES, *(path / name for path, names in PLACES.items() for name in names)}
    known = {path for path in named if path.exists()}
    assert named - known == set()


def test_the_package_is_on_the_map() -> None:
    """Each folder and each file at the top of the package has an entry."""
    existing = {path for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert existing - PLACES.keys() == set()


@pytest.mark.parametrize("folder", ["delivery", "processes"])
def test_inner_folders_are_on_the_map(folder: str) -> None:
    """The folders that group modules are named with their package."""
    inner = {path.name for path in (PACKAGE / folder).iterdir() if (path / "__init__.py").exists()}
    assert inner == {name.strip("/") for name in PLACES[PACKAGE / folder] if name.endswith("/")}


DOCUMENTS = [ROOT / "CONTRIBUTING.md", *(ROOT / "docs" / "decisions").glob("*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_files_in_the_text_exist(document: Path) -> None:
    """Every file in backticks is one of the package or of the project."""
    files = set(FILE.findall(document.read_text()))
    assert "delivery/claim.py" in files or document.stem != "CONTRIBUTING"
    missing = [n for n in files if not (PACKAGE / n).is_file() and not (ROOT / n).is_file()]
    assert missing == []


def test_walks_are_short() -> None:
    """Each of the three walks has at most MAX_LINES lines."""
    walks = TEXT.partition("## Three walks\n")[2].partition("\nImports run one way")[0]
    parts = re.split(r"^(?:An? .*):$", walks, flags=re.MULTILINE)[1:]
    assert len(parts) == 3
    assert all(len(part.strip().splitlines()) <= MAX_LINES for part in parts)
