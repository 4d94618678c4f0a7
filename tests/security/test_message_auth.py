"""Authenticated messages: only those that our processes wrote are opened."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.config.settings import Settings
from callevents.security import message_auth
from callevents.security.encryption import make_key
from callevents.security.message_auth import TAG_BYTES, MessageAuth
from tests.support.waiting import wait_until

KEY, OTHER_KEY = make_key(), make_key()
MESSAGE = b'[1,[["a",1]]]'


def auth(*keys: str, purpose: str = "test") -> MessageAuth:
    """Return what seals with the first of these keys."""
    return MessageAuth(lambda: keys, purpose)


OURS = auth(KEY)


@given(message=st.binary(max_size=200))
def test_round_trip(message: bytes) -> None:
    """What is sealed is opened, whatever it holds."""
    assert OURS.open(OURS.seal(message)) == message
    assert auth(OTHER_KEY, KEY).open(OURS.seal(message)) == message


@given(message=st.binary(max_size=40), data=st.data())
def test_any_flipped_bit_is_refused(message: bytes, data: st.DataObject) -> None:
    """One bit of the tag or the message makes it a forgery."""
    sealed = bytearray(OURS.seal(message))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    assert OURS.open(bytes(sealed)) is None


@given(message=st.binary(min_size=1, max_size=40), data=st.data())
def test_any_other_length_is_refused(message: bytes, data: st.DataObject) -> None:
    """A message that was cut, at either end, or continued is a forgery."""
    sealed = OURS.seal(message)
    cut = data.draw(st.integers(1, len(sealed)))
    assert OURS.open(sealed[:-cut]) is None
    assert OURS.open(sealed[cut:]) is None
    assert OURS.open(sealed + data.draw(st.binary(min_size=1, max_size=40))) is None


@given(text=st.binary(max_size=60))
def test_nothing_else_is_opened(text: bytes) -> None:
    """What nobody sealed is a forgery."""
    assert OURS.open(text) is None


def test_other_keys_and_purposes() -> None:
    """A key of somebody else, or a message for another purpose, is refused."""
    assert OURS.open(auth(OTHER_KEY).seal(MESSAGE)) is None
    assert OURS.open(auth(KEY, purpose="other").seal(MESSAGE)) is None
    # The first of several keys seals.
    assert OURS.open(auth(OTHER_KEY, KEY).seal(MESSAGE)) is None


def test_tags_are_long_enough() -> None:
    """Guessing a tag takes 2^128 tries; an empty message has one too."""
    assert len(OURS.seal(b"")) == TAG_BYTES == 16


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with the keys in a file."""
    return Settings(data_dir=tmp_path)


def read_file(settings: Settings) -> MessageAuth:
    """Return what a process with these settings uses."""
    return MessageAuth(settings.read_encryption_keys, "test")


def test_key_added_while_running(settings: Settings) -> None:
    """A process that does not know a new key yet reads the keys again."""
    running = read_file(settings)
    settings.add_encryption_key()
    sealed = read_file(settings).seal(MESSAGE)
    wait_until(lambda: running.open(sealed) == MESSAGE, "the keys to be read again")
    assert running.open(running.seal(MESSAGE)) == MESSAGE


def test_forgeries_do_not_have_the_keys_read(settings: Settings) -> None:
    """However many come, the file is read about once a second, and not for each."""
    reads: list[int] = []

    def read_keys() -> list[str]:
        reads.append(1)
        return [KEY]

    running = MessageAuth(read_keys, "test")
    forged = [running.open(b"x" * 40) for _ in range(10_000)]
    assert not any(forged)
    assert len(reads) < 100


def test_key_dropped_while_running(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that only writes uses a new key in time, before the old one is dropped."""
    monkeypatch.setattr(message_auth, "REFRESH_SECONDS", -1)
    writer = read_file(settings)
    for _ in range(3):
        settings.add_encryption_key()
        settings.drop_old_encryption_keys()
    assert read_file(settings).open(writer.seal(MESSAGE)) == MESSAGE


@pytest.mark.parametrize("content", ["", "no key"])
def test_unreadable_keys(settings: Settings, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the file cannot be read the known keys stay."""
    monkeypatch.setattr(message_auth, "RELOAD_SECONDS", -1)
    monkeypatch.setattr(message_auth, "REFRESH_SECONDS", -1)
    running = read_file(settings)
    sealed = running.seal(MESSAGE)
    settings.encryption_keys_file.write_text(content)
    assert running.open(b"forged, so that the keys are read") is None
    assert running.seal(MESSAGE) == sealed
    assert running.open(sealed) == MESSAGE
