"""An Asterisk, for tests that have no PBX of their own."""

import pytest

from tests.vendors.asterisk.simulator import Asterisk


@pytest.fixture
def pbx() -> Asterisk:
    """An Asterisk with the extensions 101 to 109."""
    return Asterisk()
