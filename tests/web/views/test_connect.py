"""The page that connects a PBX: lines for each make, a token filled in, and what came."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from callevents.db.models import Pbx
from callevents.enums import Format
from callevents.extensions import db
from callevents.pbxs import pbxs, tokens
from callevents.vendors.setup import MAKES, find_make
from tests.web.conftest import Visitor

PAGE = "/pbxs/head-office/connect"
INGEST = "http://localhost/ingest/head-office"


@pytest.mark.parametrize("make", MAKES, ids=lambda make: make.slug)
def test_every_make_has_its_lines(admin: Visitor, pbx: Pbx, make: object) -> None:
    """Each make's page has this PBX's address, a place for the token, and says what was tried."""
    page = admin.get(f"{PAGE}?make={make.slug}").text  # type: ignore[attr-defined]
    tried = "These lines were tried." in page
    assert tried is make.is_tried  # type: ignore[attr-defined]
    assert tried != ("These lines are from the maker's document, not tried." in page)
    lines = "".join(re.findall(r'<pre id="lines-\d+"[^>]*>(.*?)</pre>', page, re.DOTALL))
    assert "localhost/ingest/head-office" in lines
    assert "TOKEN" in lines
    assert re.search(rf'<option value="{make.slug}"\s+selected>', page)  # type: ignore[attr-defined]


def test_every_format_has_a_make() -> None:
    """Whatever format a PBX has, the page begins with a make of it."""
    assert {find_make("", format_).format for format_ in Format} == set(Format)
    assert len({make.slug for make in MAKES}) == len(MAKES)


def test_new_token_is_filled_in_once(admin: Visitor, pbx: Pbx, client: FlaskClient) -> None:
    """A new token stands in the lines of that answer, works, and is in no later page."""
    admin.get(PAGE)
    page = admin.post(f"{PAGE}/token", make="other").text
    found = re.search(r'<code id="new-token">(cet_[^<]+)</code>', page)
    assert found
    assert f"Bearer {found[1]}" in page
    assert "Bearer TOKEN" not in page
    url = f"/ingest/head-office?token={found[1]}&event=dial-in&ext=101"
    assert client.get(url).status_code == 202
    later = admin.get(f"{PAGE}?make=other").text
    assert found[1] not in later
    assert re.search(r'id="fill-token"\s+type="submit"\s+disabled', later)


def test_choosing_a_format(admin: Visitor, pbx: Pbx) -> None:
    """A make's format is chosen with one button, and its secret is stored encrypted."""
    page = admin.get(f"{PAGE}?make=yeastar").text
    assert "Read them as Yeastar P-Series" in re.sub(r"\s+", " ", page)
    answer = admin.post(f"{PAGE}/format", make="yeastar", format_secret="s3cret", since="1")
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.location).query) == {"make": ["yeastar"], "since": ["1"]}
    db.session.rollback()
    found = pbxs.get_pbx(pbx.slug)
    assert found.format is Format.YEASTAR
    assert pbxs.find_format_secret(found) == "s3cret"
    page = admin.get(PAGE).text
    assert "s3cret" not in page
    assert "signed" in page
    admin.post(f"{PAGE}/format", make="yeastar", format_secret="")
    db.session.rollback()
    assert pbxs.find_format_secret(pbxs.get_pbx(pbx.slug)) == "s3cret"
    answer = admin.post(f"{PAGE}/format", make="yeastar", format_secret="x" * 201)
    assert answer.status_code == 422
    assert "Must be at most 200 characters" in answer.text
    admin.post(f"{PAGE}/format", make="yeastar", unsigned="yes")
    db.session.rollback()
    assert pbxs.find_format_secret(pbxs.get_pbx(pbx.slug)) == ""


def test_what_came_is_shown(admin: Visitor, pbx: Pbx, client: FlaskClient, token: str) -> None:
    """The page listens from its first look on; a poll is answered only when something came."""
    old = f"/ingest/head-office?token={token}&event=dial-in&ext=999"
    client.get(old)
    page = admin.get(PAGE).text
    assert "Listening for the first event" in page
    found = re.search(r'hx-get="([^"]+)"', page)
    assert found
    path = found[1].replace("&amp;", "&")
    htmx = {"HX-Request": "true", "HX-PTag": "nothing"}
    assert admin.client.get(path, headers=htmx).status_code == 304
    client.get(f"/ingest/head-office?token={token}&event=hangup&ext=101&peer=0612&call=c7")
    heard = admin.client.get(path, headers=htmx)
    assert heard.status_code == 200
    for text in ("Head office is heard", "Hangup", "101", "0612", "c7"):
        assert text in heard.text
    assert "hx-get" not in heard.text
    # Without JavaScript the same address, looked at again, shows the same.
    again = re.search(r'<noscript>\s*<p><a href="([^"]+connect[^"]+)"', page)
    assert again
    assert "Head office is heard" in admin.get(again[1].replace("&amp;", "&")).text


@pytest.mark.parametrize("since", ["", "x", "-1", "9" * 30, "9" * 13, "\u0661"])
def test_hostile_addresses(admin: Visitor, pbx: Pbx, since: str) -> None:
    """An odd time or make in the address is as if there were none."""
    answer = admin.client.get(PAGE, query_string={"since": since, "make": "<script>"})
    assert answer.status_code == 200
    assert "Listening" in answer.text
    assert "<script>" not in answer.text.partition("<main")[2]


def test_viewers_and_strangers(viewer: Visitor, stranger: Visitor, pbx: Pbx) -> None:
    """Who only views sees the lines and can change nothing; a stranger sees nothing."""
    page = viewer.get(f"{PAGE}?make=kamailio").text
    assert "http_client_query" in page
    assert "fill-token" not in page
    assert "choose-format" not in page
    assert viewer.post(f"{PAGE}/token").status_code == 403
    assert viewer.post(f"{PAGE}/format", make="wazo").status_code == 403
    assert stranger.get(PAGE).status_code == 303
    assert len(tokens.list_tokens(pbx)) == 1


def test_unknown_pbx(admin: Visitor) -> None:
    """There is no page for a PBX that does not exist."""
    assert admin.get("/pbxs/nobody/connect").status_code == 404
