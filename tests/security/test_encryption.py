"""Encryption of stored secrets: keys are created, rotated, dropped and lost."""

import json
import stat
from pathlib import Path

import pytest

from callevents.config import SettingsError, load_settings
from callevents.config.settings import Settings
from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import AuthKind, EventType
from callevents.extensions import cipher, db
from callevents.hooks import hooks, signing_secret
from callevents.hooks.options import Credentials, CustomHeader, HookOptions
from callevents.operations import key_rotation
from callevents.security.encryption import Cipher, UnreadableError, make_key


def settings_in(folder: Path, **values: object) -> Settings:
    """Return settings with this data folder."""
    return load_settings(data_dir=folder, **values)


def create_secretive(pbx: Pbx) -> Hook:
    """Create a hook with every kind of secret."""
    begin_write()
    options = HookOptions(
        headers=(CustomHeader("X-A", "one"), CustomHeader("X-B", "two")),
        credentials=Credentials(AuthKind.BEARER, secret="three"),
    )
    hook = hooks.create_hook(
        pbx, None, EventType.DIAL_IN, hooks.HookData(url="http://a/", options=options)
    )
    signing_secret.rotate_secret(hook)
    signing_secret.rotate_secret(hook)
    db.session.commit()
    return hook


def tokens(hook: Hook) -> list[str]:
    """Return all encrypted values of the hook."""
    db.session.expire_all()
    headers = [token for _name, token in json.loads(hook.custom_headers)]
    return [hook.auth_secret, hook.signing_secret, hook.previous_signing_secret, *headers]


def test_a_key_is_made_once_and_private(tmp_path: Path) -> None:
    """Without a setting, the data folder gets a key that only its owner can read."""
    settings = settings_in(tmp_path / "new")
    [key] = settings.read_encryption_keys()
    assert settings.read_encryption_keys() == (key,)
    assert stat.S_IMODE(settings.encryption_keys_file.stat().st_mode) == 0o600
    assert settings_in(tmp_path / "other").read_encryption_keys() != (key,)


def test_keys_of_the_setting(tmp_path: Path) -> None:
    """The setting's first key encrypts, all decrypt, and the data folder has none."""
    first, second = make_key(), make_key()
    old = Cipher(settings_in(tmp_path, encryption_keys=second).read_encryption_keys)
    settings = settings_in(tmp_path, encryption_keys=f" {first}, {second},")
    new = Cipher(settings.read_encryption_keys)
    assert new.decrypt(old.encrypt("é")) == "é"
    with pytest.raises(UnreadableError):
        old.decrypt(new.encrypt("é"))
    assert not settings.encryption_keys_file.exists()


@pytest.mark.parametrize(
    "wrong",
    ["x", ",", f"{make_key()},x", make_key()[:-4]],
    ids=["letter", "comma", "second", "short"],
)
def test_wrong_keys_stop_the_start(tmp_path: Path, wrong: str) -> None:
    """Invalid keys are rejected without printing them, in the setting and in the file."""
    sentence = "must be keys made by `flask secrets make-key`."
    with pytest.raises(SettingsError) as caught:
        settings_in(tmp_path, encryption_keys=wrong)
    assert str(caught.value) == f"Invalid setting CALLEVENTS_ENCRYPTION_KEYS: {sentence}"
    path = tmp_path / "encryption_keys"
    path.write_text(wrong)
    with pytest.raises(SettingsError) as caught:
        settings_in(tmp_path).read_encryption_keys()
    assert str(caught.value) == f"Invalid file {path}: {sentence}"


def test_a_running_process_learns_of_a_new_key(tmp_path: Path) -> None:
    """A secret that another process encrypted with a newer key is decrypted without a restart."""
    settings = settings_in(tmp_path)
    running = Cipher(settings.read_encryption_keys)
    old = running.encrypt("old")
    settings.add_encryption_key()
    new = Cipher(settings.read_encryption_keys).encrypt("new")
    assert (running.decrypt(new), running.decrypt(old)) == ("new", "old")
    settings.encryption_keys_file.write_text("damaged")
    with pytest.raises(UnreadableError):
        running.decrypt(Cipher(lambda: [make_key()]).encrypt("x"))
    assert running.decrypt(old) == "old"


def test_old_keys_are_dropped_one_later(tmp_path: Path) -> None:
    """The second key stays for processes that have not read the new one yet."""
    settings = settings_in(tmp_path)
    [first] = settings.read_encryption_keys()
    for _ in range(2):
        settings.add_encryption_key()
    newest, middle, oldest = settings.read_encryption_keys()
    assert oldest == first
    settings.drop_old_encryption_keys()
    assert settings.read_encryption_keys() == (newest, middle)
    assert stat.S_IMODE(settings.encryption_keys_file.stat().st_mode) == 0o600


def test_keys_of_the_setting_are_not_ours_to_change(tmp_path: Path) -> None:
    """No key is added if the operator sets the keys."""
    settings = settings_in(tmp_path, encryption_keys=make_key())
    with pytest.raises(SettingsError, match="The keys are set in CALLEVENTS_ENC"):
        settings.add_encryption_key()


def test_all_secrets_are_reencrypted(pbx: Pbx, settings: Settings, tmp_path: Path) -> None:
    """After a rotation the old key decrypts nothing and the new one everything."""
    hook = create_secretive(pbx)
    plain = [cipher.bound.decrypt(token) for token in tokens(hook)]
    keys_before = settings.read_encryption_keys()
    old = Cipher(lambda: keys_before)
    settings.add_encryption_key()
    cipher.bound.reload()
    begin_write()
    renewed = key_rotation.reencrypt_hooks(0)
    db.session.commit()
    assert renewed is not None
    assert (renewed.count, renewed.unreadable, renewed.last_id) == (1, [], hook.id)
    assert key_rotation.reencrypt_hooks(hook.id) is None
    assert [cipher.bound.decrypt(token) for token in tokens(hook)] == plain
    for token in tokens(hook):
        with pytest.raises(UnreadableError):
            old.decrypt(token)


def test_batches(pbx: Pbx) -> None:
    """Many hooks are renewed in several batches; those without secrets are skipped."""
    begin_write()
    hooks.create_hook(pbx, None, EventType.HANGUP, hooks.HookData(url="http://a/"))
    ids = [create_secretive(pbx).id for _ in range(3)]
    begin_write()
    first = key_rotation.reencrypt_hooks(0, batch_size=2)
    assert first is not None
    assert (first.count, first.last_id) == (2, ids[1])
    second = key_rotation.reencrypt_hooks(first.last_id, batch_size=2)
    assert second is not None
    assert (second.count, second.last_id) == (1, ids[2])
    assert key_rotation.reencrypt_hooks(second.last_id) is None


def test_unreadable_secrets_are_reported_and_not_changed(pbx: Pbx) -> None:
    """A hook with an unreadable secret is reported and not changed."""
    good, bad = create_secretive(pbx), create_secretive(pbx)
    begin_write()
    bad.previous_signing_secret = Cipher(lambda: [make_key()]).encrypt("x")
    db.session.commit()
    before = tokens(bad)
    assert key_rotation.find_unreadable() == [bad.event_id]
    begin_write()
    renewed = key_rotation.reencrypt_hooks(0)
    db.session.commit()
    assert renewed is not None
    assert (renewed.count, renewed.unreadable) == (1, [bad.event_id])
    assert tokens(bad) == before
    assert tokens(good)
