"""The 'Connect' page: a setup guide for each PBX type, a token filled in, and the events."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from callevents.db.models import Pbx
from callevents.enums import Format
from callevents.extensions import db
from callevents.pbxs import pbxs, tokens
from callevents.vendors.registry import find_guide, list_guides
from callevents.vendors.vendor import SetupGuide
from tests.web.conftest import Visitor

PAGE = "/pbxs/head-office/connect"
INGEST = "http://localhost/ingest/head-office"


@pytest.mark.parametrize(
    "guide", [guide for _, guide in list_guides()], ids=lambda guide: guide.slug
)
def test_every_guide_has_snippets(admin: Visitor, pbx: Pbx, guide: SetupGuide) -> None:
    """Each guide has this PBX's URL and a place for the token, and says if it was tested."""
    page = admin.get(f"{PAGE}?type={guide.slug}").text
    assert ("This snippet is tested." in page) is any(one.connector for one in guide.snippets)
    is_tested = "These snippets are tested." in page
    assert is_tested is guide.is_tested
    assert is_tested != ("These snippets are from the vendor's documentation, not tested." in page)
    snippets = "".join(re.findall(r'<pre id="snippet-\d+"[^>]*>(.*?)</pre>', page, re.DOTALL))
    assert "localhost/ingest/head-office" in snippets
    assert "TOKEN" in snippets
    assert re.search(rf'<option value="{guide.slug}"\s+selected>', page)


def test_connectors_need_neither_format_nor_token(admin: Visitor, pbx: Pbx) -> None:
    """The snippet for a connector comes before the report format and the tokens."""
    page = admin.get(f"{PAGE}?type=freeswitch").text
    first, second = page.index('id="snippet-1"'), page.index('id="snippet-2"')
    for name in ("choose-format", "fill-token"):
        assert first < page.index(f'id="{name}"') < second


def test_former_parameter_chooses_the_guide(admin: Visitor, pbx: Pbx) -> None:
    """Bookmarks with the parameter's former name open the same guide."""
    page = admin.get(f"{PAGE}?make=yeastar").text
    assert re.search(r'<option value="yeastar"\s+selected>', page)


def test_every_format_has_a_guide() -> None:
    """For each format of a PBX, the page opens with a guide of that format."""
    assert {find_guide("", format_)[0].format for format_ in Format} == set(Format)
    slugs = [guide.slug for _, guide in list_guides()]
    assert len(set(slugs)) == len(slugs)


def test_new_token_is_filled_in_once(admin: Visitor, pbx: Pbx, client: FlaskClient) -> None:
    """A new token is in the snippets of that response, works, and is in no later page."""
    admin.get(PAGE)
    page = admin.post(f"{PAGE}/token", type="other").text
    found = re.search(r'<code id="new-token">(cet_[^<]+)</code>', page)
    assert found
    assert f"Bearer {found[1]}" in page
    assert "Bearer TOKEN" not in page
    url = f"/ingest/head-office?token={found[1]}&event=dial-in&ext=101"
    assert client.get(url).status_code == 202
    later = admin.get(f"{PAGE}?type=other").text
    assert found[1] not in later
    assert re.search(r'id="fill-token"\s+type="submit"\s+disabled', later)


def test_choosing_a_format(admin: Visitor, pbx: Pbx) -> None:
    """One button sets the guide's format; the secret is stored encrypted."""
    page = admin.get(f"{PAGE}?type=yeastar").text
    assert "Set to Yeastar P-Series" in re.sub(r"\s+", " ", page)
    answer = admin.post(f"{PAGE}/format", type="yeastar", format_secret="s3cret", since="1")
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.location).query) == {"type": ["yeastar"], "since": ["1"]}
    db.session.rollback()
    found = pbxs.get_pbx(pbx.slug)
    assert found.format is Format.YEASTAR
    assert pbxs.find_format_secret(found) == "s3cret"
    page = admin.get(PAGE).text
    assert "s3cret" not in page
    assert "signed" in page
    admin.post(f"{PAGE}/format", type="yeastar", format_secret="")
    db.session.rollback()
    assert pbxs.find_format_secret(pbxs.get_pbx(pbx.slug)) == "s3cret"
    answer = admin.post(f"{PAGE}/format", type="yeastar", format_secret="x" * 201)
    assert answer.status_code == 422
    assert "at most 200 characters" in answer.text
    admin.post(f"{PAGE}/format", type="yeastar", unsigned="yes")
    db.session.rollback()
    assert pbxs.find_format_secret(pbxs.get_pbx(pbx.slug)) == ""


def test_events_are_shown(admin: Visitor, pbx: Pbx, client: FlaskClient, token: str) -> None:
    """The page shows events received since it was opened; a poll gets 304 without a new one."""
    old = f"/ingest/head-office?token={token}&event=dial-in&ext=999"
    client.get(old)
    page = admin.get(PAGE).text
    assert "Listening for the next event" in page
    found = re.search(r'hx-get="([^"]+)"', page)
    assert found
    path = found[1].replace("&amp;", "&")
    htmx = {"HX-Request": "true", "HX-PTag": "nothing"}
    assert admin.client.get(path, headers=htmx).status_code == 304
    client.get(f"/ingest/head-office?token={token}&event=hangup&ext=101&peer=0612&call=c7")
    shown = admin.client.get(path, headers=htmx)
    assert shown.status_code == 200
    for text in ("Head office is connected", "Hangup", "101", "0612", "c7"):
        assert text in shown.text
    assert "hx-get" not in shown.text
    # Without JavaScript, the same URL shows the same.
    again = re.search(r'<noscript>\s*<p><a href="([^"]+connect[^"]+)"', page)
    assert again
    assert "Head office is connected" in admin.get(again[1].replace("&amp;", "&")).text


@pytest.mark.parametrize("since", ["", "x", "-1", "9" * 30, "9" * 13, "\u0661"])
def test_hostile_addresses(admin: Visitor, pbx: Pbx, since: str) -> None:
    """An invalid time or type in the URL is ignored."""
    answer = admin.client.get(PAGE, query_string={"since": since, "type": "<script>"})
    assert answer.status_code == 200
    assert "Listening" in answer.text
    assert "<script>" not in answer.text.partition("<main")[2]


def test_viewers_and_strangers(viewer: Visitor, stranger: Visitor, pbx: Pbx) -> None:
    """A viewer sees the snippets and can change nothing; a stranger sees nothing."""
    page = viewer.get(f"{PAGE}?type=kamailio").text
    assert "http_client_query" in page
    assert "fill-token" not in page
    assert "choose-format" not in page
    assert viewer.post(f"{PAGE}/token").status_code == 403
    assert viewer.post(f"{PAGE}/format", type="wazo").status_code == 403
    assert stranger.get(PAGE).status_code == 303
    assert len(tokens.list_tokens(pbx)) == 1


def test_unknown_pbx(admin: Visitor) -> None:
    """There is no page for a PBX that does not exist."""
    assert admin.get("/pbxs/nobody/connect").status_code == 404


def test_the_token_of_a_new_pbx_is_filled_in(admin: Visitor) -> None:
    """From the dialog that shows it, in the body of a request, also for another type."""
    admin.get("/pbxs/new")
    dialog = admin.post("/pbxs/new", name="Head office", format="generic").text
    token = re.search(r'<input type="hidden" name="token" value="(cet_[^"]+)"', dialog)
    assert token
    assert re.search(rf'<form method="post"\s+action="{PAGE}/filled">', dialog)
    page = admin.post(f"{PAGE}/filled", token=token[1]).text
    assert page.count("new-token") == 1
    assert re.search(rf'<form class="pick"\s+method="post"\s+action="{PAGE}/filled">', page)
    other = admin.post(f"{PAGE}/filled", token=token[1], type="other").text
    assert f"Bearer {token[1]}" in other
    assert token[1] not in admin.get(PAGE).text
    assert len(tokens.list_tokens(pbxs.get_pbx("head-office"))) == 1


def test_only_valid_tokens_of_the_pbx_are_filled_in(
    admin: Visitor, viewer: Visitor, pbx: Pbx, token: str
) -> None:
    """Anything else is not shown, and whoever may not manage the PBX gets no such page."""
    admin.get(PAGE)
    assert token in admin.post(f"{PAGE}/filled", token=token).text
    wrong = admin.post(f"{PAGE}/filled", token="cet_wrong")  # no token
    assert (wrong.status_code, "cet_wrong" in wrong.text) == (200, False)
    assert 'id="fill-token"' in wrong.text
    viewer.get(PAGE)
    assert viewer.post(f"{PAGE}/filled", token=token).status_code == 403
