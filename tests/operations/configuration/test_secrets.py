"""An export with secrets, encrypted with a passphrase, makes another installation complete."""

from dataclasses import replace

import pytest

from callevents.db.models import Connector, Hook, Pbx
from callevents.db.session import begin_write
from callevents.errors import InvalidError
from callevents.extensions import cipher, db
from callevents.operations.configuration.changes import Change
from callevents.operations.configuration.document import SealedDocument
from callevents.operations.configuration.importing import import_configuration
from callevents.operations.configuration.sealed_secrets import add_secrets, restore_secrets
from callevents.operations.configuration.sealing import Sealer
from callevents.operations.configuration.text import parse, to_json, to_yaml
from callevents.pbxs import pbxs
from tests.operations.configuration.conftest import SECRETS, Another, export

PASSPHRASE = "a passphrase of tests"
SALT = b"0123456789abcdef"


def export_all(passphrase: str = PASSPHRASE) -> SealedDocument:
    """Export everything, with secrets."""
    return add_secrets(export(), pbxs.list_pbxs(), Sealer(passphrase, SALT))


def load(document: SealedDocument, passphrase: str = PASSPHRASE) -> list[Change]:
    """Import the document with its secrets."""
    begin_write()
    try:
        changes = restore_secrets(document, passphrase, import_configuration(document))
        db.session.commit()
    except InvalidError:
        db.session.rollback()
        raise
    return list(changes)


def stored_secrets() -> dict[str, object]:
    """Return all secrets, decrypted, by what they belong to."""
    decrypt = cipher.bound.decrypt
    found: dict[str, object] = {
        hook.event_id: (
            hook.url,
            hook.auth_secret and decrypt(hook.auth_secret),
            hook.custom_headers and decrypt(hook.custom_headers.split('"')[3]),
            hook.signing_secret and decrypt(hook.signing_secret),
            hook.suspended_at,
        )
        for hook in db.session.query(Hook)
    }
    found |= {pbx.slug: pbxs.find_format_secret(pbx) for pbx in db.session.query(Pbx)}
    return found | {"connector": decrypt(db.session.query(Connector).one().secret)}


def test_another_installation_has_the_same_secrets(full: Pbx, another: Another) -> None:
    """Nothing is missing but the ingest token; a second import changes nothing."""
    begin_write()
    pbxs.set_format(full, full.format, "vendor-4711")
    db.session.commit()
    expected = stored_secrets()
    document = parse(to_yaml(export_all()))
    db.session.rollback()
    with another():
        changes = load(document)
        assert [one.missing_secrets for one in changes if one.missing_secrets] == [
            ("ingest token",)
        ]
        assert stored_secrets() == expected
        assert load(document) == []


def test_the_text_shows_no_secret_and_does_not_change(full: Pbx) -> None:
    """Two exports are equal; with another passphrase nothing encrypted is."""
    one, two = to_json(export_all()), to_json(export_all())
    assert one == two
    assert not [secret for secret in SECRETS if secret in one]
    first, other = export_all().secrets, export_all("another passphrase").secrets
    assert first is not None
    assert other is not None
    assert not {*first.hooks.values()} & {*other.hooks.values()}


@pytest.mark.parametrize("passphrase", ["another passphrase", "short"])
def test_a_wrong_passphrase_changes_nothing(full: Pbx, another: Another, passphrase: str) -> None:
    """The error is about the passphrase, and the import is not made either."""
    document = export_all()
    db.session.rollback()
    with another():
        with pytest.raises(InvalidError) as caught:
            load(document, passphrase)
        assert list(caught.value.errors) == ["passphrase"]
        assert db.session.query(Pbx).count() == 0


def test_secrets_do_not_go_to_another_receiver(full: Pbx, another: Another) -> None:
    """Whoever edits the document cannot have a secret sent elsewhere."""
    document = parse(to_yaml(export_all()).replace("crm.example.com", "evil.example.com"))
    db.session.rollback()
    with another():
        with pytest.raises(InvalidError) as caught:
            load(document)
        [(place, [message])] = caught.value.errors.items()
        assert place.startswith("secrets/hooks/")
        assert message.startswith("These secrets cannot be decrypted")


def test_swapped_secrets_are_refused(full: Pbx) -> None:
    """Those of one request cannot be given to another one with another receiver."""
    document = export_all()
    assert document.secrets is not None
    [(event_id, sealed)] = document.secrets.hooks.items()
    [other] = [
        hook.event_id for hook in db.session.query(Hook) if "log." in hook.url and hook.extension_id
    ]
    db.session.rollback()
    moved = document.secrets.model_copy(update={"hooks": {other: sealed}})
    with pytest.raises(InvalidError) as caught:
        load(document.model_copy(update={"secrets": moved}))
    assert list(caught.value.errors) == [f"secrets/hooks/{other}"]
    assert event_id != other


def test_changed_secrets_are_set(full: Pbx) -> None:
    """A secret that was changed after the export is set back, and the change says so."""
    document = export_all()
    db.session.rollback()
    expected = stored_secrets()
    begin_write()
    pbxs.set_format(full, full.format, "")
    hook = db.session.query(Hook).filter(Hook.auth_secret != "").one()
    hook.auth_secret = cipher.encrypt('["crm", "another"]')
    db.session.commit()
    [change] = load(document)
    assert replace(change, key="") == Change(
        change.done, change.kind, "head-office 101 dial-in", ("secrets",)
    )
    assert stored_secrets() == expected
