"""The registry of vendors, and the snippets of their setup guides."""

from callevents.enums import ConnectorKind, Format
from callevents.vendors.registry import READERS, SOURCES, find_vendor, list_guides
from tests.support.programs import ROOT

SNIPPETS = ROOT / "templates" / "connect" / "snippets"


def test_every_format_has_a_vendor() -> None:
    """Each format has a vendor with a reader, except the native format, and with a guide."""
    for format_ in Format:
        vendor = find_vendor(format_)
        assert vendor.format is format_
        assert (vendor.read is None) is (format_ is Format.GENERIC)
        assert vendor.guides
    assert READERS.keys() == set(Format) - {Format.GENERIC}


def test_every_connector_has_a_source() -> None:
    """Each kind of connector has an event stream, under its own name."""
    assert set(SOURCES) == set(ConnectorKind)
    assert all(source.kind == name for name, source in SOURCES.items())


def test_every_snippet_template_is_used() -> None:
    """Each snippet has its template, and each template a snippet."""
    used = {snippet.template for _, guide in list_guides() for snippet in guide.snippets}
    assert used == {path.name for path in SNIPPETS.iterdir()}
