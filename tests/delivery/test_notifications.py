"""Notifications tell where a request goes, without secrets."""

import pytest

from callevents.delivery.notifications import without_query


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://crm.example/calls?token=x&a=b", "https://crm.example/calls"),
        (
            "https://hooks.slack.com/services/T0/B0/abcdefgh",
            "https://hooks.slack.com/services/T0/B0/••••",
        ),
        ("https://crm.example/{CallID}", "https://crm.example/{CallID}"),
    ],
)
def test_url_without_secrets(url: str, shown: str) -> None:
    """Neither the query nor a secret in the path leaves the system."""
    assert without_query(url) == shown
