"""A request disabled, enabled, cleared and brought back while six deliveries wait for it."""

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select, update

from callevents.db.models import Delivery, Hook, Pbx, Removal
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.engine import Engine
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.browser.conftest import check_accessibility
from tests.browser.test_event_table import row, toast
from tests.conftest import Configure
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state

PENDING, HELD = DeliveryState.PENDING, DeliveryState.HELD


@pytest.fixture
def hook(configure: Configure, receiver: Receiver) -> Hook:
    """A hook for dial-in of extension 101."""
    configure.extension("101", "Reception")
    return configure.hook("101", EventType.DIAL_IN, receiver.url)


@pytest.fixture
def place(hook: Hook) -> str:
    """The path of the extension's page."""
    return f"/pbxs/head-office/extensions/{hook.extension_id}"


@pytest.fixture
def waiting(pbx: Pbx, hook: Hook) -> list[str]:
    """The ids of six deliveries of one call that wait, in their order."""
    begin_write()
    reports = [
        Report(event_type=EventType.DIAL_IN, extension="101", call_id="c-1", leg_id=str(number))
        for number in range(6)
    ]
    accept(pbx, reports)
    db.session.commit()
    return list(db.session.scalars(select(Delivery.id).order_by(Delivery.id)))


def states() -> set[DeliveryState]:
    """Return the states of all deliveries."""
    db.session.rollback()
    return set(db.session.scalars(select(Delivery.state)))


def stored_hook() -> tuple[object, ...]:
    """Return the row of the hook."""
    db.session.rollback()
    return tuple(db.session.execute(select(Hook.__table__)).one())


def clear(page: Page) -> None:
    """Clear the request in the dialog."""
    row(page, "Dial-In").get_by_role("checkbox").check()
    page.get_by_role("button", name="Clear selected").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("6 waiting deliveries are cancelled with it.")
    dialog.get_by_role("button", name="OK").click()
    expect(toast(page)).to_contain_text("1 request cleared. 6 waiting deliveries end with it.")
    expect(row(page, "Dial-In")).to_contain_text("Not configured")


def undo(page: Page) -> Locator:
    """Return the button that undoes the removal."""
    return toast(page).get_by_role("button", name="Undo")


def test_disabled_enabled_and_brought_back(
    admin: Page, place: str, waiting: list[str], engine: Engine, receiver: Receiver
) -> None:
    """Disabled: held, and the toast says so. Cleared and undone: as before. Enabled: in order."""
    admin.goto(place)
    row(admin, "Dial-In").get_by_role("button", name="click to disable").click()
    expect(toast(admin)).to_contain_text("6 waiting deliveries held.")
    expect(toast(admin).get_by_role("button", name="Cancel them instead")).to_be_visible()
    check_accessibility(admin)
    assert states() == {HELD}
    engine.start()
    assert engine.drain() == 0
    before = stored_hook()
    clear(admin)
    undo(admin).click()
    expect(toast(admin)).to_contain_text("1 request is back. 6 deliveries wait again.")
    assert stored_hook() == before
    assert states() == {HELD}
    assert receiver.arrivals == []
    row(admin, "Dial-In").get_by_role("button", name="click to enable").click()
    expect(toast(admin)).to_contain_text("6 waiting deliveries go on.")
    receiver.wait_for(6)
    wait_for_state(waiting[-1], DeliveryState.DELIVERED)
    assert [arrival.parameters["DeliveryID"] for arrival in receiver.arrivals] == waiting


def test_cleared_and_undone_by_keyboard(admin: Page, place: str, waiting: list[str]) -> None:
    """Undo of an enabled request lets its deliveries wait as before, also with the Enter key."""
    admin.goto(place)
    before = stored_hook()
    clear(admin)
    assert states() == {HELD}
    undo(admin).press("Enter")
    expect(toast(admin)).to_contain_text("1 request is back.")
    expect(row(admin, "Dial-In").get_by_role("button", name="click to disable")).to_be_visible()
    assert stored_hook() == before
    assert states() == {PENDING}


def test_cancelled_instead(admin: Page, place: str, waiting: list[str]) -> None:
    """The button in the toast cancels what is held."""
    admin.goto(place)
    row(admin, "Dial-In").get_by_role("button", name="click to disable").click()
    toast(admin).get_by_role("button", name="Cancel them instead").click()
    expect(toast(admin)).to_contain_text("6 waiting deliveries cancelled.")
    assert states() == {DeliveryState.CANCELLED}


def test_undone_too_late(admin: Page, place: str, waiting: list[str]) -> None:
    """If the removal has ended, the toast of the error says so and stays."""
    admin.goto(place)
    clear(admin)
    with write_transaction(db.engine) as connection:
        connection.execute(Removal.__table__.delete())
        connection.execute(update(Delivery).values(state=DeliveryState.CANCELLED))
    undo(admin).click()
    expect(toast(admin).locator(".toast-error")).to_contain_text("There is nothing to undo")


def test_undone_without_javascript(plain: Page, place: str, waiting: list[str]) -> None:
    """The message on the page has a button that does the same."""
    plain.goto(place)
    before = stored_hook()
    row(plain, "Dial-In").get_by_role("checkbox").check()
    plain.get_by_role("button", name="Clear selected").click()
    plain.get_by_role("button", name="OK").click()
    expect(row(plain, "Dial-In")).to_contain_text("Not configured")
    plain.get_by_role("button", name="Undo").click()
    expect(plain.get_by_text("1 request is back. 6 deliveries wait again.")).to_be_visible()
    assert stored_hook() == before
    assert states() == {PENDING}
