"""What an import changes, keeps and refuses."""

from typing import Any

import pytest
from sqlalchemy import select

from callevents.conditions import Conditions, Hours
from callevents.db.models import AuditEntry, Hook, Pbx
from callevents.db.session import begin_write, end_transaction
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks.options import BodyTemplate, read_options
from callevents.operations.configuration.changes import DocumentError
from callevents.operations.configuration.importing import import_configuration
from callevents.operations.configuration.text import parse, validate
from callevents.pbxs import pbxs
from callevents.security.masking import MASK
from tests.operations.configuration.conftest import export, load
from tests.support.statement_count import counting

Values = dict[str, Any]
HOOK: Values = {"event": "dial-in", "url": "https://crm.example.com/"}


def document(**values: Any) -> Any:
    """Return a document with one PBX, 'Head office', with these values."""
    return validate(
        {"version": 1, "pbxs": [{"slug": "head-office", "name": "Head office"} | values]}
    )


def with_requests(*requests: Values) -> Any:
    """Return a document in which extension 101 has these requests."""
    return document(extensions=[{"number": "101", "hooks": list(requests)}])


def errors_of(wanted: Any) -> dict[str, list[str]]:
    """Return the errors of an import."""
    begin_write()
    with pytest.raises(DocumentError) as caught:
        import_configuration(wanted)
    end_transaction()
    return caught.value.errors


def urls() -> list[str]:
    """Return the URLs of all requests, oldest first."""
    db.session.rollback()
    return list(db.session.scalars(select(Hook.url).order_by(Hook.id)))


def test_a_changed_request_keeps_its_event_id(pbx: Pbx) -> None:
    """By its Event ID, by its URL, or as the only one of the event: it is the same request."""
    load(with_requests(HOOK))
    [first] = export().pbxs[0].extensions[0].hooks
    for changed in (
        {**HOOK, "event_id": first.event_id, "note": "by ID", "url": "https://crm.example.com/2"},
        {**HOOK, "note": "by URL", "url": "https://crm.example.com/2"},
        {**HOOK, "note": "the only one", "url": "https://crm.example.com/3"},
    ):
        [change] = load(with_requests(changed))
        assert (change.done, change.kind) == ("changed", "hook")
        [now] = export().pbxs[0].extensions[0].hooks
        assert (now.event_id, now.note, now.url) == (
            first.event_id,
            changed["note"],
            changed["url"],
        )


def test_two_requests_of_an_event_are_told_apart_by_their_urls(pbx: Pbx) -> None:
    """One URL that changes is the one left; if both change, it is not clear which was which."""
    first, second, third, fourth = ({**HOOK, "url": f"https://crm.example.com/{n}"} for n in "abcd")
    load(with_requests(first, second))
    assert load(with_requests(second, first)) == []
    [change] = load(with_requests(second, third))
    assert change.done == "changed"
    assert urls() == [third["url"], second["url"]]
    assert [one.done for one in load(with_requests(first, fourth))] == ["added", "added"]
    assert len(urls()) == 4


def test_only_pruning_removes(full: Pbx, other_pbx: Pbx) -> None:
    """Without it, what the document does not have stays."""
    wanted = document(extensions=[{"number": "101"}], format="wazo", quotas={"max_hooks": 2})
    load(wanted)
    assert len(urls()) == 3
    removed = [(one.kind, one.name) for one in load(wanted, prune=True) if one.done == "removed"]
    assert removed == [
        ("pbx", "branch"),
        ("connector", "head-office"),
        ("hook", "head-office * hangup"),
        ("extension", "head-office 0003*102"),
        ("hook", "head-office 101 dial-in"),
        ("hook", "head-office 101 dial-in"),
    ]
    assert urls() == []
    assert [one.slug for one in pbxs.list_pbxs()] == ["head-office"]
    assert load(wanted, prune=True) == []


def test_each_change_is_in_the_history(pbx: Pbx) -> None:
    """As if it had been made on the pages."""
    more = {"hides_numbers": True, "country": "RO", "internal_lengths": [3]}
    load(document(name="Main office", extensions=[{"number": "101"}], **more))
    actions = list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert actions[-4:] == [
        "pbx.renamed",
        "pbx.data_protection_changed",
        "pbx.number_plan_changed",
        "extension.added",
    ]


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"name": "\x07"}, "pbxs/0/name"),
        ({"retention_days": 0}, "pbxs/0/retention_days"),
        ({"country": "Romania"}, "pbxs/0/country"),
        ({"country": "RO", "internal_lengths": [0]}, "pbxs/0/internal_lengths"),
        ({"quotas": {"max_hooks": -1}}, "pbxs/0/quotas/max_hooks"),
        ({"has_format_secret": True}, "pbxs/0/has_format_secret"),
        (
            {"connector": {"kind": "asterisk", "host": "a b", "port": 1, "username": "x"}},
            "pbxs/0/connector/host",
        ),
        ({"hooks": [{**HOOK, "url": "ftp://x"}]}, "pbxs/0/hooks/0/url"),
        ({"hooks": [HOOK, {**HOOK, "give_up_seconds": 1}]}, "pbxs/0/hooks/1/give_up_seconds"),
        ({"hooks": [{**HOOK, "headers": ["Host"]}]}, "pbxs/0/hooks/0/headers/0"),
        ({"extensions": [{"number": "*"}]}, "pbxs/0/extensions/0/number"),
        ({"extensions": [{"number": "1"}, {"number": " 1"}]}, "pbxs/0/extensions/1/number"),
        (
            {"extensions": [{"number": "1", "hooks": [{**HOOK, "note": "x" * 501}]}]},
            "pbxs/0/extensions/0/hooks/0/note",
        ),
    ],
)
def test_an_invalid_value_changes_nothing(pbx: Pbx, wanted: Values, pointer: str) -> None:
    """The error says where it is."""
    before = export()
    name = {"name": "Main office"} if "name" not in wanted else {}
    assert list(errors_of(document(**name, **wanted))) == [pointer]
    assert export() == before


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"authentication": "bearer"}, "authentication"),
        ({"headers": ["X-Key", "X-Other"]}, "headers"),
        ({"url": f"https://crm.example.com/other?token={MASK}"}, "url"),
        ({"event": "hangup"}, "event"),
    ],
)
def test_a_change_that_needs_a_secret_is_refused(full: Pbx, change: Values, pointer: str) -> None:
    """No document has it."""
    values = export().pbxs[0].model_dump(mode="json")
    [secret] = [one for one in values["extensions"][0]["hooks"] if one["authentication"] != "none"]
    secret |= change
    [found] = errors_of(validate({"pbxs": [values]}))
    assert found.startswith("pbxs/0/extensions/0/hooks/")
    assert found.endswith(f"/{pointer}")


def test_an_event_id_belongs_to_one_request(full: Pbx) -> None:
    """A copy of a PBX needs new ones."""
    values = export().pbxs[0].model_dump(mode="json")
    copy = {**values, "slug": "copy", "name": "Copy"}
    assert errors_of(validate({"pbxs": [copy]})) == {
        "pbxs/0/hooks/0/event_id": ["Another request has this Event ID."]
    }


def test_an_event_id_is_used_once(pbx: Pbx) -> None:
    """Twice in a document is a mistake, also in one place."""
    one = {"event": "dial-in", "url": "https://crm.example.com/", "event_id": "x" * 30}
    wanted = document(hooks=[one, one | {"event": "hangup"}])
    assert errors_of(wanted) == {"pbxs/0/hooks/1/event_id": ["Another request has this Event ID."]}


def test_a_slug_is_used_once(pbx: Pbx) -> None:
    """Twice in a document is a mistake."""
    one = {"slug": "head-office", "name": "Head office"}
    assert list(errors_of(validate({"pbxs": [one, one]}))) == ["pbxs/1/slug"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("pbxs: [", "document"),
        ("a: &x [1]\nb: *x", "document"),
        ("[]", "document"),
        ("version: 2", "version"),
        ("pbxs: [{slug: a, name: 12}]", "pbxs/0/name"),
        ("pbxs: [{slug: a, name: a, secret: x}]", "pbxs/0/secret"),
        ("pbxs: [{slug: a, name: 2026-01-01}]", "pbxs/0/name"),
        ("pbxs: [{slug: a, name: a, extensions: [{number: 101}]}]", "pbxs/0/extensions/0/number"),
        ("[" * 5000, "document"),
        ("version: 0x" + "f" * 5000, "document"),
        ("version: 1" + ":1" * 400 + ".5", "document"),
        ("version: 1" + ":1" * 400_000, "document"),
        ("version: !!int x", "document"),
        ("version: !!bool x", "document"),
        ("version: !!timestamp x", "version"),
        ("version: !!set {a}", "document"),
        ("pbxs: []\npbxs: []", "document"),
        ("", "document"),
        ("pbxs: [" + "a," * 150_000 + "]", "document"),
    ],
)
def test_an_invalid_text_says_where(text: str, place: str) -> None:
    """Bad syntax, unknown fields, numbers that should be texts, and what JSON does not have."""
    with pytest.raises(InvalidError) as caught:
        parse(text)
    assert list(caught.value.errors) == [place]
    [[sentence]] = caught.value.errors.values()
    assert sentence.endswith(".")
    assert not sentence.startswith("Input")


def test_a_document_that_changes_nothing_takes_few_statements(pbx: Pbx) -> None:
    """However many extensions it has."""
    many = document(extensions=[{"number": str(number)} for number in range(100, 140)])
    assert len(load(many)) == 40
    statements: list[str] = []
    with counting(statements):
        assert load(many) == []
    assert len(statements) < 20


def test_statements_do_not_grow_with_what_is_new(pbx: Pbx) -> None:
    """Reports wait while an import writes, so it asks nothing for each extension and request."""
    many = document(
        extensions=[
            {"number": str(number), "hooks": [HOOK | {"event_id": f"{number:030}"}]}
            for number in range(100, 160)
        ]
    )
    statements: list[str] = []
    begin_write()
    with counting(statements):
        assert len(import_configuration(many)) == 120
    end_transaction()
    # SQLite inserts rows that have a number one by one.
    assert len(statements) < 60 + 30


def test_one_event_id_for_two_new_requests_is_an_error(pbx: Pbx) -> None:
    """Also in one place, and nothing fails later."""
    same = HOOK | {"event_id": "a" * 30}
    errors = errors_of(with_requests(same, same | {"event": "hangup"}))
    assert errors == {
        "pbxs/0/extensions/0/hooks/1/event_id": ["Another request has this Event ID."]
    }


def test_a_number_that_no_extension_can_have_is_named(pbx: Pbx) -> None:
    """The error says which of the new extensions it is."""
    errors = errors_of(document(extensions=[{"number": "100"}, {"number": "1\t2"}]))
    assert list(errors) == ["pbxs/0/extensions/1/number"]


def test_changes_can_be_limited(pbx: Pbx) -> None:
    """Beyond the limit nothing changes. What is added does not count."""
    numbers = [{"number": str(number), "name": "Old"} for number in range(100, 103)]
    load(document(extensions=numbers))
    renamed = document(extensions=[{**one, "name": "New"} for one in numbers])
    begin_write()
    assert len(import_configuration(renamed, limit=3)) == 3
    with pytest.raises(DocumentError, match=r"^This changes or removes more than 2 objects\."):
        import_configuration(document(extensions=numbers), limit=2)
    end_transaction()
    assert [one.name for one in export().pbxs[0].extensions] == ["Old"] * 3


def test_options_of_a_request(pbx: Pbx) -> None:
    """They are stored as the dialog does, and the same document twice changes nothing."""
    hours = {"days": [5, 1], "start": "9:00", "end": "17:00", "zone": "europe/bucharest"}
    wanted = HOOK | {
        "method": "PATCH",
        "body_format": "template",
        "content_type": "text/plain",
        "body_template": "Call from {CallerIDNum}",
        "value_maps": {"direction": {"IN": "in"}},
        "scope": "call",
        "conditions": {"party": "external", "numbers": [" +40* ", "+40*"], "hours": hours},
    }
    load(with_requests(wanted))
    hook = db.session.scalars(select(Hook)).one()
    options = read_options(hook)
    assert options.body_template == BodyTemplate("text/plain", "Call from {CallerIDNum}")
    assert options.conditions == Conditions(
        party="external",
        numbers=("+40*",),
        hours=Hours((1, 5), "09:00", "17:00", "Europe/Bucharest"),
    )
    assert load(with_requests(wanted)) == []
    [change] = load(with_requests(wanted | {"scope": "extension", "conditions": {}}))
    assert change.fields == ("conditions", "scope")
    assert load(with_requests(wanted | {"scope": "extension", "conditions": {}})) == []


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"value_maps": {"a b": {"x": "y"}}}, "value_maps"),
        ({"answers": {"a": "/b"}}, "answers"),
        ({"authentication": "receiver"}, "authentication"),
        ({"conditions": {"numbers": ["abc"]}}, "conditions/numbers"),
        (
            {"conditions": {"hours": {"days": [1], "start": "1", "end": "2", "zone": "UTC"}}},
            "conditions/hours/start",
        ),
    ],
)
def test_errors_of_options(pbx: Pbx, values: Values, path: str) -> None:
    """An error says where the value is."""
    errors = errors_of(with_requests(HOOK | values))
    assert f"pbxs/0/extensions/0/hooks/0/{path}" in errors


def test_a_scheme_is_a_secret(pbx: Pbx) -> None:
    """A request that is added with one is suspended until it is entered."""
    [*_others, change] = load(with_requests(HOOK | {"authentication": "scheme"}))
    assert change.missing_secrets == ("credentials",)
    assert db.session.scalars(select(Hook)).one().suspended_at
    assert load(with_requests(HOOK | {"authentication": "scheme"})) == []
