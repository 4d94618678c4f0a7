"""The list of all vendors. To add one, see 'Add a PBX type' in CONTRIBUTING.md."""

from collections.abc import Iterator, Mapping

from callevents.enums import Format
from callevents.vendors import (
    generic,
    kamailio,
    kazoo,
    phones,
    sipgate,
    three_cx,
    twilio,
    voipnow,
    wazo,
    yeastar,
)
from callevents.vendors.asterisk import vendor as asterisk
from callevents.vendors.freeswitch import vendor as freeswitch
from callevents.vendors.message import Read
from callevents.vendors.vendor import SetupGuide, Source, Vendor

#: In the order in which the 'Connect' page lists them.
VENDORS = (
    asterisk.VENDOR,
    freeswitch.VENDOR,
    kamailio.VENDOR,
    yeastar.VENDOR,
    wazo.VENDOR,
    kazoo.VENDOR,
    twilio.VENDOR,
    sipgate.VENDOR,
    three_cx.VENDOR,
    voipnow.VENDOR,
    phones.VENDOR,
    generic.VENDOR,
)
# Asterisk's dialplan reports in the native format; the later entry, generic, stands for it.
_BY_FORMAT: Mapping[Format, Vendor] = {vendor.format: vendor for vendor in VENDORS}
#: The reader of each vendor's format. The native format is read by ingest/report.py.
READERS: Mapping[Format, Read] = {
    vendor.format: vendor.read for vendor in VENDORS if vendor.read is not None
}
#: The event streams by kind of connector.
SOURCES: Mapping[str, Source] = {
    vendor.source.kind.value: vendor.source for vendor in VENDORS if vendor.source is not None
}


def find_vendor(format_: Format) -> Vendor:
    """Return the vendor that reports in the format."""
    return _BY_FORMAT[format_]


def list_guides() -> Iterator[tuple[Vendor, SetupGuide]]:
    """Yield every setup guide and its vendor."""
    for vendor in VENDORS:
        for guide in vendor.guides:
            yield vendor, guide


def find_guide(slug: str, format_: Format) -> tuple[Vendor, SetupGuide]:
    """Return the guide with this slug, or else the first guide of the format; and its vendor."""
    guides = list(list_guides())
    for vendor, guide in guides:
        if guide.slug == slug:
            return vendor, guide
    return next((vendor, guide) for vendor, guide in guides if vendor.format is format_)
