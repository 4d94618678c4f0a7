"""The test of a receiver: the request is accepted, and the admin learns what to see there."""

import pytest

from callevents.db.models import Pbx
from callevents.receivers.test_request import send_receiver_test
from tests.recipes.conftest import Line
from tests.recipes.simulated import SIMULATED
from tests.recipes.simulated.zammad import Zammad


@pytest.mark.parametrize("name", sorted(SIMULATED.keys() - {"oauth"}))
def test_example_call_is_accepted(line: Line, pbx: Pbx, name: str) -> None:
    """Also by receivers that need a token, or a user."""
    simulated = SIMULATED[name]()
    receiver = line.connect(name, simulated, simulated.users)
    result = send_receiver_test(receiver, pbx, user_id=1)
    assert simulated.refused == []
    assert result.response.is_success
    assert result.shows


def test_refusal_is_shown(line: Line, pbx: Pbx) -> None:
    """With the status and the words of the receiver."""
    zammad = Zammad()
    receiver = line.connect("zammad", zammad)
    zammad.is_enabled = False
    result = send_receiver_test(receiver, pbx, user_id=1)
    assert result.response.status_code == 422
    assert "Feature is disabled" in result.response.body
