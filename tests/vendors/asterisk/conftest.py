"""A simulated Asterisk."""

import pytest

from tests.vendors.asterisk.simulator import Asterisk


@pytest.fixture
def pbx() -> Asterisk:
    """An Asterisk with the extensions 101 to 109."""
    return Asterisk()
