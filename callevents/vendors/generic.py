"""The native format, for scripts, curl and other software. ingest/report.py reads it."""

from callevents.enums import Format
from callevents.vendors.vendor import SetupGuide, Snippet, Vendor

VENDOR = Vendor(
    format=Format.GENERIC,
    guides=(
        SetupGuide(
            "other",
            "Anything else: a script, curl",
            (Snippet("Shell script", "script.txt"), Snippet("curl", "curl.txt")),
            is_tested=True,
        ),
    ),
)
