"""What is exported can be imported, is the same afterwards, and has no secrets."""

from callevents.db.models import Connector, Hook, Pbx
from callevents.extensions import db
from callevents.operations.configuration.text import parse, to_json, to_yaml
from callevents.pbxs import pbxs
from callevents.processes.listener.lease import list_enabled
from tests.operations.configuration.conftest import SECRETS, Another, export, load


def test_an_empty_installation_becomes_equal(full: Pbx, another: Another) -> None:
    """Exported again, the other installation has the same document."""
    document = export()
    assert parse(to_json(document)).pbxs == document.pbxs
    assert parse(to_yaml(document)).pbxs == document.pbxs
    with another():
        changes = load(parse(to_yaml(document)))
        assert [(one.done, one.kind, one.name) for one in changes] == [
            ("added", "pbx", "head-office"),
            ("added", "connector", "head-office"),
            ("added", "hook", "head-office * hangup"),
            ("added", "extension", "head-office 101"),
            ("added", "hook", "head-office 101 dial-in"),
            ("added", "hook", "head-office 101 dial-in"),
            ("added", "extension", "head-office 0003*102"),
        ]
        assert export() == document
        assert load(document, prune=True) == []
        assert export() == document


def test_the_document_has_no_secret(full: Pbx) -> None:
    """Neither as JSON nor as YAML."""
    document = export()
    for text in (to_json(document), to_yaml(document)):
        assert "crm.example.com" in text
        assert not [secret for secret in SECRETS if secret in text]


def test_a_request_without_its_secrets_is_not_sent(full: Pbx, another: Another) -> None:
    """It is suspended and says why; the change names what is missing. Others are sent."""
    document = export()
    with another():
        changes = load(document)
        missing = [one.missing_secrets for one in changes if one.missing_secrets]
        assert missing == [
            ("ingest token",),
            ("secret",),
            ("header X-Key", "credentials", "url", "signing secret"),
        ]
        hooks = {hook.url: hook for hook in db.session.query(Hook)}
        plain = hooks["https://log.example.com/"]
        assert plain.suspended_at is None
        [secret] = [hook for url, hook in hooks.items() if "crm." in url]
        assert secret.suspended_reason.startswith("Imported without its secrets.")


def test_a_connector_without_its_secret_does_not_connect(full: Pbx, another: Another) -> None:
    """A wrong secret could get Call Events locked out, so there is no attempt."""
    assert len(list_enabled()) == 1
    document = export()
    with another():
        load(document)
        connector = db.session.query(Connector).one()
        assert connector.enabled
        assert connector.last_error == "The secret was not imported. Enter it to connect."
        assert list_enabled() == []
        assert not pbxs.get_pbx("head-office").format_secret


def test_secrets_stay_where_they_are(full: Pbx) -> None:
    """The document of an installation changes nothing in it, and no secret is lost."""
    stored = [(hook.url, hook.auth_secret, hook.custom_headers) for hook in db.session.query(Hook)]
    assert load(export(), prune=True) == []
    db.session.rollback()
    assert stored == [
        (hook.url, hook.auth_secret, hook.custom_headers) for hook in db.session.query(Hook)
    ]


def test_templates_and_conditions_are_readable(full: Pbx) -> None:
    """A template is a text of lines, conditions have names; what is not set is null."""
    text = to_yaml(export())
    assert "zone: Europe/Bucharest" in text
    assert "direction:\n" in text
    [hook] = export().pbxs[0].hooks
    assert hook.conditions
    assert hook.conditions.hours
    assert (hook.conditions.directions, hook.conditions.hours.days) == (["in"], [1, 5])
    assert export().pbxs[0].extensions[0].hooks[0].conditions is None
