"""docs/configuration.md documents every setting with its default."""

import re
from pathlib import Path

import pytest

from callevents.config import PREFIX
from callevents.config.settings import Settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
ROW = re.compile(rf"^\| `({PREFIX}[A-Z_]+)` \| (\S+) \|([^|]*)\|([^|]+)\|$", re.MULTILINE)
#: Each row's default, unit and meaning, by the setting's name.
ROWS = {name: rest for name, *rest in ROW.findall(DOCUMENT.read_text())}


def test_each_row_is_a_setting() -> None:
    """The table has exactly the settings that exist, in the same order."""
    names = [PREFIX + field.upper() for field in Settings.model_fields]
    assert list(ROWS) == names, "the rows have the order of the settings"


@pytest.mark.parametrize("field", Settings.model_fields)
def test_default_and_unit(field: str) -> None:
    """The row has the default of the code, and the unit of the name."""
    default, unit, meaning = ROWS[PREFIX + field.upper()]
    value = Settings.model_fields[field].default
    parts = value if isinstance(value, tuple) else () if value is None else (value,)
    text = ",".join(map(str, parts))
    assert default == (f"`{text}`" if text else "empty")
    assert (unit.strip() == "seconds") == field.endswith("_seconds")
    assert meaning.strip()
