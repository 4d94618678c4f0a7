"""The document as text, the same for the same operations."""

import json
from typing import Any


def print_document(document: dict[str, Any]) -> str:
    """Return the document as JSON with sorted names, as docs/openapi.json has it."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
