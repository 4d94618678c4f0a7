"""A PBX's extensions: list, search, sort, add, rename, delete."""

import pytest
from flask import Flask
from sqlalchemy import select

from callevents.db.models import Delivery, Extension, Hook, Pbx, new_id
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.hooks import hooks, queries
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import extensions as pbxs_extensions
from callevents.pbxs.extensions import Sort
from tests.conftest import Configure
from tests.support.statement_count import counting

NOBODYS = "01a20701-a07b-7511-987d-0828034a71d0"


def numbers(pbx: Pbx, search: str = "", **options: object) -> list[str]:
    """Return the numbers found, in their order."""
    found = pbxs_extensions.find_extensions(pbx, search, **options)  # type: ignore[arg-type]
    return [extension.number for extension in found.extensions]


def fill(pbx: Pbx, count: int) -> None:
    """Add many extensions with a hook each, quickly."""
    begin_write()
    origin_id = hooks.get_or_create_origin("http://a/")
    extensions = [
        Extension(id=new_id(), pbx_id=pbx.id, number=str(1000 + place), name=f"Desk {place}")
        for place in range(count)
    ]
    db.session.add_all(extensions)
    db.session.flush()
    db.session.add_all(
        Hook(
            pbx_id=pbx.id,
            extension_id=extension.id,
            event_type=EventType.DIAL_IN,
            url="http://a/",
            origin_id=origin_id,
        )
        for extension in extensions
    )
    db.session.commit()


def test_search_finds_words_in_number_and_name(pbx: Pbx, configure: Configure) -> None:
    """Every word must occur in the number or the name, regardless of case."""
    for number, name in (("101", "Ana Pop"), ("102", "Ana Ionescu"), ("0003*210", "Lobby")):
        configure.extension(number, name)
    assert numbers(pbx) == ["101", "102", "0003*210"]
    assert numbers(pbx, "ana") == ["101", "102"]
    assert numbers(pbx, "  ANA   pop ") == ["101"]
    assert numbers(pbx, "10 ion") == ["102"]
    assert numbers(pbx, "3*2") == ["0003*210"]
    assert numbers(pbx, "nobody") == []


@pytest.mark.parametrize("sign", ["%", "_", "/", "\\", "'", '"', ";", "--"])
def test_search_takes_every_character_literally(pbx: Pbx, configure: Configure, sign: str) -> None:
    """Wildcards of LIKE are matched literally."""
    configure.extension("101", f"a{sign}b")
    configure.extension("102", "aXb")
    assert numbers(pbx, sign) == ["101"]
    assert numbers(pbx, f"a{sign}b") == ["101"]


@pytest.mark.parametrize("search", ["\x00", "10\x00", "a\x07b"])
def test_search_for_what_no_name_can_have(pbx: Pbx, configure: Configure, search: str) -> None:
    """A search with control characters finds nothing, on every database."""
    configure.extension("101", "Ana")
    assert numbers(pbx, search) == []


def test_sorting(pbx: Pbx, configure: Configure) -> None:
    """Numbers sort by length and then text, names without regard to case, both ways."""
    for number, name in (("1000", "b"), ("9", "C"), ("10", "a"), ("20", "B")):
        configure.extension(number, name)
    assert numbers(pbx) == ["9", "10", "20", "1000"]
    assert numbers(pbx, descending=True) == ["1000", "20", "10", "9"]
    assert numbers(pbx, sort=Sort.NAME) == ["10", "20", "1000", "9"]
    assert numbers(pbx, sort=Sort.NAME, descending=True) == ["9", "1000", "20", "10"]


def test_pages_are_clamped(pbx: Pbx) -> None:
    """A page has fifty rows; page numbers out of range are clamped."""
    fill(pbx, 101)
    expected = {-5: 1, 0: 1, 1: 1, 2: 2, 3: 3, 4: 3, 10**9: 3}
    for asked, given in expected.items():
        found = pbxs_extensions.find_extensions(pbx, page=asked)
        assert (found.page, found.pages, found.total) == (given, 3, 101)
    pages = [numbers(pbx, page=page) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [50, 50, 1]
    assert [one for page in pages for one in page] == [str(1000 + n) for n in range(101)]
    nothing = pbxs_extensions.find_extensions(pbx, "nobody", page=7)
    assert (nothing.page, nothing.pages, nothing.total) == (1, 1, 0)


def test_number_of_queries_is_constant(pbx: Pbx, configure: Configure) -> None:
    """A page with hooks takes as many queries with hundreds of extensions as with one."""
    configure.extension("1")
    configure.hook("*", EventType.HANGUP, "http://all/")
    pbx_id = pbx.id
    counts = []
    for more in (0, 300):
        fill(pbx, more)
        found_pbx = db.session.get(Pbx, pbx_id)
        assert found_pbx is not None
        statements: list[str] = []
        with counting(statements):
            page = pbxs_extensions.find_extensions(found_pbx, "1")
            assert page.hooks[None][EventType.HANGUP][0].url == "http://all/"
            assert all(extension.name is not None for extension in page.extensions)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 3


def test_hooks_come_grouped(pbx: Pbx, configure: Configure) -> None:
    """Hooks are grouped by extension, by event type and age; those for all under None."""
    configure.extension("101")
    configure.extension("102")
    first = configure.hook("101", EventType.DIAL_IN, "http://a/1")
    second = configure.hook("101", EventType.DIAL_IN, "http://a/2")
    for_all = configure.hook("*", EventType.HANGUP, "http://a/3")
    page = pbxs_extensions.find_extensions(pbx)
    extension = page.extensions[0]
    assert page.hooks == {
        extension.id: {EventType.DIAL_IN: [first, second]},
        None: {EventType.HANGUP: [for_all]},
    }
    assert pbxs_extensions.find_extension_hooks(pbx, extension) == page.hooks[extension.id]
    assert pbxs_extensions.find_extension_hooks(pbx, None) == page.hooks[None]
    assert pbxs_extensions.find_extension_hooks(pbx, page.extensions[1]) == {}


def test_counts_of_each_pbx(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """Extensions are counted by PBX; one without any is left out."""
    configure.extension("101")
    configure.extension("102")
    assert pbxs_extensions.count_extensions([pbx, other_pbx]) == {pbx.id: 2}


def test_extensions_are_their_pbxs(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """Lists, look-ups and searches of one PBX never show another's."""
    configure.extension("101")
    Configure(other_pbx).extension("101", "theirs")
    [mine] = pbxs_extensions.list_extensions(pbx)
    [theirs] = pbxs_extensions.list_extensions(other_pbx)
    assert mine.id != theirs.id
    assert numbers(pbx, "theirs") == []
    assert pbxs_extensions.get_extension(pbx, mine.id) is mine
    assert pbxs_extensions.get_extension(pbx, mine.id.upper()) is mine
    assert pbxs_extensions.get_extension_by_number(pbx, "101") is mine
    with pytest.raises(NotFoundError, match=r"^Head office has no such extension\.$"):
        pbxs_extensions.get_extension(pbx, theirs.id)


@pytest.mark.parametrize("wrong", ["", "abc", "1", "\x00", "x" * 500, "urn:uuid:1", NOBODYS])
def test_unknown_extension(pbx: Pbx, wrong: str) -> None:
    """An invalid or unknown ID raises NotFoundError on every database."""
    with pytest.raises(NotFoundError):
        pbxs_extensions.get_extension(pbx, wrong)
    with pytest.raises(NotFoundError, match="has no extension"):
        pbxs_extensions.get_extension_by_number(pbx, wrong)


def test_star_is_no_extension(pbx: Pbx) -> None:
    """The number * stands for all extensions."""
    assert pbxs_extensions.get_extension_by_number(pbx, "*") is None


def test_adding(pbx: Pbx, other_pbx: Pbx) -> None:
    """Number and name are stripped; another PBX can have the same number."""
    begin_write()
    added = pbxs_extensions.add_extension(pbx, "  0003*210 ", "  Ștefan ")
    assert (added.number, added.name, added.pbx_id) == ("0003*210", "Ștefan", pbx.id)
    assert pbxs_extensions.add_extension(other_pbx, "0003*210").name == ""
    db.session.commit()


@pytest.mark.parametrize(
    ("number", "name", "field", "sentence"),
    [
        ("", "", "number", "Enter the extension's number."),
        ("  ", "", "number", "Enter the extension's number."),
        ("*", "", "number", "The number * stands for all extensions."),
        ("x" * 65, "", "number", "Must be at most 64 characters (got 65)."),
        ("1\x002", "", "number", "Must not contain control characters."),
        ("1\n2", "", "number", "Must not contain control characters."),
        ("102", "x" * 101, "name", "Must be at most 100 characters (got 101)."),
        ("102", "a\x1bb", "name", "Must not contain control characters."),
        ("101", "", "number", "Head office has an extension '101' already."),
        (" 101 ", "", "number", "Head office has an extension '101' already."),
    ],
)
def test_wrong_extensions_are_refused(
    pbx: Pbx, configure: Configure, number: str, name: str, field: str, sentence: str
) -> None:
    """Each broken rule has a message for its field, and nothing is added."""
    configure.extension("101")
    begin_write()
    with pytest.raises(InvalidError) as caught:
        pbxs_extensions.add_extension(pbx, number, name)
    assert caught.value.errors == {field: [sentence]}
    db.session.commit()
    assert numbers(pbx) == ["101"]


def test_renaming(pbx: Pbx, configure: Configure) -> None:
    """A name can change within its rules."""
    configure.extension("101", "Ana")
    begin_write()
    [extension] = pbxs_extensions.list_extensions(pbx)
    pbxs_extensions.rename_extension(extension, " Ioana ")
    with pytest.raises(InvalidError):
        pbxs_extensions.rename_extension(extension, "x" * 101)
    db.session.commit()
    assert extension.name == "Ioana"


def report_at(pbx: Pbx, *extensions: str) -> None:
    """Accept an event at each."""
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension=one) for one in extensions])
    db.session.commit()


def test_deleting_removes_hooks_and_holds_pending_deliveries(
    pbx: Pbx, configure: Configure
) -> None:
    """Deleting an extension removes its hooks and holds their pending deliveries."""
    configure.extension("101")
    configure.extension("102")
    gone = configure.hook("101", EventType.DIAL_IN, "http://gone/")
    kept = configure.hook("102", EventType.DIAL_IN, "http://kept/")
    for_all = configure.hook("*", EventType.DIAL_IN, "http://all/")
    report_at(pbx, "101", "102")
    gone_event_id = gone.event_id
    begin_write()
    extension = pbxs_extensions.get_extension_by_number(pbx, "101")
    assert extension is not None
    pbxs_extensions.delete_extension(extension)
    db.session.commit()
    assert set(db.session.scalars(select(Hook.url))) == {kept.url, for_all.url}
    by_url = {
        (one.url, one.call_event.extension): one for one in db.session.scalars(select(Delivery))
    }
    held = by_url.pop(("http://gone/", "101"))
    assert (held.state, held.hook) == (DeliveryState.HELD, None)
    assert held.hook_event_id == gone_event_id
    assert len(by_url) == 3
    assert {one.state for one in by_url.values()} == {DeliveryState.PENDING}


def test_everything_of_a_pbx_stays_with_it(app: Flask, pbx: Pbx, configure: Configure) -> None:
    """Hooks of an extension are listed with it, by event type and age."""
    configure.extension("101")
    late = configure.hook("101", EventType.HANGUP, "http://a/1")
    early = configure.hook("101", EventType.DIAL_IN, "http://a/2")
    extension = pbxs_extensions.get_extension_by_number(pbx, "101")
    assert queries.list_hooks(pbx, extension) == [early, late]
    assert queries.list_hooks(pbx, None) == []
