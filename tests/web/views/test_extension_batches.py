"""Importing extensions, adding a range, and configuring or copying requests for selected ones."""

import html
import io
import re
from collections.abc import Sequence

import pytest
from sqlalchemy import insert, select

from callevents.audit import Action
from callevents.db.models import AuditEntry, BulkChange, Extension, Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import cipher, db
from callevents.pbxs.extensions import list_extensions
from tests.conftest import Configure
from tests.web.conftest import Visitor
from tests.web.test_hook_form import fields

BASE = "/pbxs/head-office/extensions"


@pytest.fixture
def chosen(pbx: Pbx, configure: Configure) -> Sequence[Extension]:
    """Three extensions."""
    for number in ("101", "102", "103"):
        configure.extension(number)
    return list_extensions(pbx)


def numbers(pbx: Pbx) -> list[str]:
    """Return the numbers of all extensions."""
    db.session.rollback()
    return [one.number for one in list_extensions(pbx)]


def hooks() -> Sequence[Hook]:
    """Return all hooks."""
    db.session.rollback()
    return db.session.scalars(select(Hook).order_by(Hook.id)).all()


def test_import_with_bad_lines(admin: Visitor, pbx: Pbx) -> None:
    """The preview names bad lines; the good ones are imported after confirmation."""
    admin.get(f"{BASE}/import")
    rows = "\n".join(f"{number},Desk {number}" for number in range(100, 400))
    rows = rows.replace("\n150,", "\n,").replace("\n200,", "\n101,").replace("\n300,", "\n*,")
    file = (io.BytesIO(rows.encode()), "extensions.csv")
    preview = admin.post(f"{BASE}/import", step="preview", file=file).text
    assert "297 new extensions." in preview
    assert "3 lines are left out:" in preview
    for line, problem in (
        (51, "Number: Enter the extension's number."),
        (101, "The number 101 is in line 2 already."),
        (201, "Number: The number * stands for all extensions."),
    ):
        assert f"<strong>Line {line}</strong> {problem}" in html.unescape(preview)
    assert numbers(pbx) == []
    found = re.search(r'name="text"\s+value="([^"]*)"', preview)
    assert found
    done = admin.post(f"{BASE}/import", step="apply", text=html.unescape(found[1]))
    assert done.status_code == 303
    page = admin.get(done.location).text
    assert "297 extensions are added. 3 left out. Line 51: Number: Enter the" in page
    assert "Line 101: The number 101 is in line 2 already." in html.unescape(page)
    assert len(numbers(pbx)) == 297


def test_import_names_all_lines_that_are_left_out(admin: Visitor, pbx: Pbx) -> None:
    """The result says why the first five were left out, and which others were."""
    admin.get(f"{BASE}/import")
    bad = "\n".join(["1 01"] * 7)
    done = admin.post(f"{BASE}/import", step="apply", text=f"101,A,B,dropped\n{bad}")
    page = html.unescape(admin.get(done.location).text)
    assert "1 extension is added. 7 left out. Line 2: Number: Must not contain spaces" in page
    assert page.count("Must not contain spaces") == 5
    assert "Lines 7, 8." in page
    preview = admin.post(f"{BASE}/import", step="preview", text="101,A,B,x,y").text
    assert "Ignored columns: column 4, column 5." in preview


def test_import_errors(admin: Visitor, pbx: Pbx) -> None:
    """Without lines, or with what is no CSV, the form says so."""
    admin.get(f"{BASE}/import")
    nothing = admin.post(f"{BASE}/import", step="preview")
    assert (nothing.status_code, "Choose a file, or paste lines." in nothing.text) == (422, True)
    binary = admin.post(f"{BASE}/import", file=(io.BytesIO(b"\x81\x8d"), "x.bin"))
    assert (binary.status_code, "The file is no text." in binary.text) == (422, True)
    same = admin.post(f"{BASE}/import", step="preview", text="*\n*")
    assert "0 new extensions." in same.text
    assert "apply-import" not in same.text


def test_range(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """All numbers of a range are added, except those that exist."""
    configure.extension("0105", "Ann")
    admin.get(f"{BASE}/range")
    assert admin.post(f"{BASE}/range", first="0100", last="0109").status_code == 303
    assert "9 extensions are added. 1 existed already." in admin.get(BASE).text
    assert numbers(pbx) == [f"01{number:02}" for number in range(10)]
    for first, last, problem in (
        ("1", "5000", "same number of digits"),
        ("1000", "3000", "at most 1,000 at once"),
        ("a", "", "Enter digits only."),
        ("9", "1", "ends before it begins"),
    ):
        answer = admin.post(f"{BASE}/range", first=first, last=last)
        assert (answer.status_code, problem in answer.text) == (422, True), problem


def test_configures_for_many(admin: Visitor, chosen: Sequence[Extension]) -> None:
    """The dialog is filled in once; each extension gets the request, with one entry and Undo."""
    ids = [one.id for one in chosen]
    query = "&".join(f"extension_id={one}" for one in ids[:2])
    page = admin.get(f"{BASE}/selected?action=configure&{query}").text
    assert "Configure for 2 extensions" in page
    where = f"{BASE}/configure/hangup"
    dialog = admin.get(f"{where}?{query}").text
    assert "of 2 extensions" in re.sub(r"<[^>]+>", "", dialog)
    wrong = admin.post(where, **fields("no URL"), extension_id=ids[:2])
    assert (wrong.status_code, len(hooks())) == (422, 0)
    url = "https://crm.example.com/?token=geheim"
    done = admin.post(where, **fields(url), extension_id=ids[:2])
    assert done.status_code == 303
    assert "Hangup: 2 requests created." in admin.get(BASE).text
    assert [(one.url, one.event_type) for one in hooks()] == [(url, EventType.HANGUP)] * 2
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.object_kind == "hooks")).all()
    assert [entry.action for entry in entries] == [Action.HOOKS_ADDED]
    assert entries[0].after["extensions"] == ["101", "102"]
    assert "geheim" not in f"{entries[0].after}"
    change_id = db.session.scalars(select(BulkChange.id)).one()
    assert admin.post(f"/requests/changes/{change_id}/undo").status_code == 303
    assert hooks() == []


def test_one_signing_secret_for_all(admin: Visitor, chosen: Sequence[Extension]) -> None:
    """If they are signed, the secret is the same, and shown once; Undo still works."""
    where = f"{BASE}/configure/hangup"
    admin.get(f"{where}?all=yes")
    answer = admin.post(where, **fields("https://a.example/", signing="new"), all="yes")
    assert answer.status_code == 200
    assert "whsec_" in answer.text
    assert len({cipher.bound.decrypt(one.signing_secret) for one in hooks()}) == 1
    assert len(hooks()) == 3
    change_id = db.session.scalars(select(BulkChange.id)).one()
    assert admin.post(f"/requests/changes/{change_id}/undo").status_code == 303
    assert hooks() == []


def test_quota_stops_all(admin: Visitor, pbx: Pbx, chosen: Sequence[Extension]) -> None:
    """Beyond the quota nothing is created."""
    begin_write()
    pbx.max_hooks = 2
    db.session.commit()
    admin.get(f"{BASE}/configure/hangup?all=yes")
    answer = admin.post(f"{BASE}/configure/hangup", **fields("https://a.example/"), all="yes")
    assert (answer.status_code, "The quota of Head office is 2" in answer.text) == (422, True)
    assert hooks() == []


def test_copies_to_selected(
    admin: Visitor, chosen: Sequence[Extension], configure: Configure
) -> None:
    """The requests of one extension are copied to the selected ones, after a preview."""
    configure.hook("101", EventType.HANGUP, "https://crm.example.com/")
    page = admin.get(f"{BASE}/selected?action=copy&all=yes").text
    assert "101, 102, 103" in page
    form = {"action": "copy", "all": "yes", "extension": "101", "to": "101, 102, 103"}
    preview = admin.post("/pbxs/head-office/requests/change", step="preview", **form).text
    assert "2 requests would be made." in preview
    assert "Copy to extensions" in admin.get(f"{BASE}/{chosen[0].id}").text


def test_nothing_selected(admin: Visitor, viewer: Visitor, chosen: Sequence[Extension]) -> None:
    """Without ticks there is nothing to do; viewers have none."""
    assert "Nothing selected" in admin.get(f"{BASE}/selected?action=configure").text
    assert "Nothing selected" in admin.get(f"{BASE}/selected?action=copy&extension_id=x").text
    assert "Nothing selected" in admin.get(f"{BASE}/configure/hangup").text
    assert "extensions-form" not in viewer.get(BASE).text
    assert viewer.get(f"{BASE}/selected?action=copy&all=yes").status_code == 403
    assert viewer.get(f"{BASE}/import").status_code == 403


def test_too_many_selected(admin: Visitor, pbx: Pbx) -> None:
    """If more than 1,000 are selected, nothing is done for only some of them."""
    begin_write()
    rows = [{"pbx_id": pbx.id, "number": str(10_000 + one)} for one in range(1_001)]
    db.session.execute(insert(Extension), rows)
    db.session.commit()
    for where in ("selected?action=configure&", "selected?action=copy&", "configure/hangup?"):
        answer = admin.get(f"{BASE}/{where}all=yes")
        assert answer.status_code == 422
        assert "More than 1,000 extensions are selected" in answer.text
    answer = admin.post(f"{BASE}/configure/hangup", **fields("https://a.example/"), all="yes")
    assert (answer.status_code, hooks()) == (422, [])
    few = admin.get(f"{BASE}/selected?action=configure&all=yes&q=1000")
    assert (few.status_code, "More than" in few.text) == (200, False)
