"""The form of a receiver whose URL is a secret."""

import json
import re

import pytest

from callevents.delivery.request.receiver import read_receiver
from callevents.extensions import cipher, db
from tests.web.conftest import Visitor
from tests.web.views.test_receivers import stored


@pytest.mark.parametrize("is_plain", [False, True], ids=["secret", "from before it was secret"])
def test_a_secret_address_is_kept_if_the_field_stays_empty(admin: Visitor, is_plain: bool) -> None:
    """As any secret; another URL replaces it."""
    fields = {"answer-url": "https://x.example.com/a/blue", "answer-zone": "UTC"}
    admin.get("/receivers/new/slack")
    assert admin.post("/receivers/new/slack", name="Chat", **fields).status_code == 303
    receiver = stored()
    if is_plain:
        receiver.address = fields["answer-url"]
        receiver.values = json.dumps([["url", receiver.address, False], ["zone", "UTC", False]])
        db.session.commit()
    page = admin.get("/receivers/chat/edit").text
    assert 'type="password"' in re.findall(r'<input[^>]*id="answer-url"[^>]*>', page)[0]
    assert "blue" not in page
    assert "Leave it empty to keep the stored one." in page
    for url, secret in (("", "blue"), ("https://x.example.com/a/green", "green")):
        fields = {"answer-url": url, "answer-zone": "Europe/Vienna"}
        assert admin.post("/receivers/chat/edit", name="Chat", **fields).status_code == 303
        receiver = stored()
        assert receiver.address == "https://x.example.com/a/{receiver.url}"
        assert read_receiver(receiver, cipher.bound).values["url"] == secret
