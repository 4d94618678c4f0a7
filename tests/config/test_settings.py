"""Settings: read from the environment and validated at start, with readable errors."""

import json
import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from callevents import create_app
from callevents.config import PREFIX, AllowedNetwork, SettingsError, load_settings
from callevents.config.settings import Settings
from callevents.extensions import db
from tests.support.log_capture import capture_log


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings in the environment of the test run."""
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def error_of(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """Return the error message for these settings."""
    for name, value in environment.items():
        monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


def test_defaults() -> None:
    """Without settings everything is embedded, on this machine only, in the folder data."""
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.data_dir == Path("data")
    assert settings.uses_sqlite
    assert settings.embeds_valkey
    assert settings.allowed_networks == ()
    assert settings.sqlalchemy_url == f"sqlite:///{Path('data').resolve()}/callevents.sqlite3"
    assert settings.queue_url == f"unix://{Path('data').resolve()}/valkey.sock"


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting is CALLEVENTS_ and its name; an empty variable counts as not set."""
    monkeypatch.setenv("CALLEVENTS_PORT", "81")
    monkeypatch.setenv("CALLEVENTS_HOST", "")
    monkeypatch.setenv("CALLEVENTS_ALLOWED_NETWORKS", "10.0.0.0/8, ::1/128,,127.0.0.1")
    monkeypatch.setenv("CALLEVENTS_UNKNOWN", "x")
    monkeypatch.setenv("PORT", "82")
    settings = load_settings()
    assert (settings.port, settings.host) == (81, "127.0.0.1")
    assert settings.allowed_networks == tuple(
        map(AllowedNetwork.parse, ("10.0.0.0/8", "::1/128", "127.0.0.1/32"))
    )


@pytest.mark.parametrize(
    ("text", "network", "port"),
    [
        ("10.0.0.0/8", "10.0.0.0/8", None),
        ("10.0.0.0/8:8080", "10.0.0.0/8", 8080),
        ("10.0.0.1:443", "10.0.0.1/32", 443),
        ("fd00::/8", "fd00::/8", None),
        ("[fd00::/8]:443", "fd00::/8", 443),
        ("fd00::1:443", "fd00::1:443/128", None),
    ],
)
def test_allowed_networks_may_name_a_port(text: str, network: str, port: int | None) -> None:
    """A port follows a colon; an IPv6 network with one is in brackets, as in URLs."""
    found = AllowedNetwork.parse(text)
    assert (str(found.network), found.port) == (network, port)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "0", "Input should be greater than or equal to 1"),
        ("PORT", "65536", "Input should be less than or equal to 65535"),
        ("PORT", "http", "Input should be a valid integer"),
        ("WORKERS", "0", "Input should be greater than or equal to 1"),
        ("LEASE_SECONDS", "1", "Input should be greater than or equal to 2"),
        ("POLL_SECONDS", "0", "Input should be greater than 0"),
        ("CONNECT_TIMEOUT_SECONDS", "nan", "Input should be"),
        ("LOG_LEVEL", "LOUD", "String should match pattern"),
        ("LOG_FORMAT", "xml", "String should match pattern"),
        ("SESSION_IDLE_SECONDS", "59", "Input should be greater than or equal to 60"),
        (
            "SECOND_FACTOR_ROLES",
            "admin,chef",
            "'chef' is not a role; the roles are admin, operator,",
        ),
        ("ADMIN_USERNAME", "x" * 65, "String should have at most 64 characters"),
        ("ALLOWED_NETWORKS", "10.0.0.1/8", "'10.0.0.1/8' is not a network such as 10.0.0.0/8"),
        ("ALLOWED_NETWORKS", "10.0.0.0/8,intranet", "'intranet' is not a network such as"),
        ("ALLOWED_NETWORKS", "fd00::/8:443", "'fd00::/8:443' is not a network such as"),
        ("ALLOWED_NETWORKS", "10.0.0.0/8:0", "'10.0.0.0/8:0': the port must be between 1 and"),
        ("ALLOWED_NETWORKS", "10.0.0.0/8:70000", "'10.0.0.0/8:70000': the port must be"),
        ("ALLOWED_NETWORKS", "::ffff:10.0.0.0/104", "'::ffff:10.0.0.0/104' is an IPv4 network"),
    ],
)
def test_invalid_settings_are_reported(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    """The message names the setting, the rule and the value."""
    message = error_of(monkeypatch, **{name: value})
    assert message.startswith(f"Invalid setting CALLEVENTS_{name}: {sentence}")
    assert message.endswith(f" (got {value!r}).")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SECRET_KEY", "secret-but-too-short", "must have at least 32 characters"),
        (
            "DATABASE_URL",
            "mysql://root:secret@host/x",
            "must begin with postgresql:// or sqlite:///",
        ),
        ("REDIS_URL", "http://:secret@host", "must begin with redis://, rediss:// or unix://"),
        ("PROXY_URL", "socks5://:secret@host", "must be a URL such as http://proxy.example:3128"),
        ("PROXY_URL", "http://:secret@host:x", "must be a URL such as http://proxy.example:3128"),
        ("PROXY_URL", "http://:secret@host/x", "must be a URL such as http://proxy.example:3128"),
    ],
)
def test_secrets_are_not_printed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    """A setting that can contain a password is named without its value."""
    message = error_of(monkeypatch, **{name: value})
    assert message == f"Invalid setting CALLEVENTS_{name}: {sentence}."


def test_all_invalid_settings_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has one line for each invalid setting."""
    message = error_of(monkeypatch, PORT="0", WORKERS="x", LOG_LEVEL="LOUD")
    assert [line.split(":")[0] for line in message.splitlines()] == [
        *("Invalid setting CALLEVENTS_PORT", "Invalid setting CALLEVENTS_WORKERS"),
        "Invalid setting CALLEVENTS_LOG_LEVEL",
    ]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p@h/n", "postgresql+psycopg://u:p@h/n"),
        ("postgresql://u:p@h:5/n?x=1", "postgresql+psycopg://u:p@h:5/n?x=1"),
        ("postgresql+psycopg://h/n", "postgresql+psycopg://h/n"),
        ("sqlite:////srv/x.sqlite3", "sqlite:////srv/x.sqlite3"),
    ],
)
def test_database_urls(given: str, used: str) -> None:
    """Every spelling of the scheme uses the installed driver."""
    settings = Settings(database_url=given)
    assert settings.sqlalchemy_url == used
    assert settings.uses_sqlite == given.startswith("sqlite")


def test_given_redis_is_used() -> None:
    """With a URL nothing is embedded."""
    settings = Settings(redis_url="redis://h:1/2")
    assert (settings.embeds_valkey, settings.queue_url) == (False, "redis://h:1/2")


def test_deep_folders_have_their_socket_elsewhere(tmp_path: Path) -> None:
    """If the path is too long for a socket, a short path in /tmp is used."""
    deep, deeper = (Settings(data_dir=tmp_path / ("d" * length)) for length in (100, 101))
    for settings in (deep, deeper):
        assert settings.valkey_socket.is_relative_to(tempfile.gettempdir())
        assert len(str(settings.valkey_socket)) <= 100
    assert deep.valkey_socket != deeper.valkey_socket
    assert deep.valkey_socket == Settings(data_dir=tmp_path / ("d" * 100)).valkey_socket


def test_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    """A key that is not set is generated once, stored, and readable by its owner only."""
    settings = Settings(data_dir=tmp_path / "deep" / "data")
    key = settings.read_secret_key()
    assert len(key) >= 64
    assert Settings(data_dir=tmp_path / "deep" / "data").read_secret_key() == key
    assert Settings(data_dir=tmp_path / "other").read_secret_key() != key
    path = tmp_path / "deep" / "data"
    assert [one.name for one in path.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((path / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    given = "x" * 32
    assert Settings(data_dir=path, secret_key=given).read_secret_key() == given


def test_secret_key_made_by_many_at_once_is_one(tmp_path: Path) -> None:
    """Processes that start together all get the same key."""
    barrier, keys = threading.Barrier(8), []

    def read() -> None:
        barrier.wait()
        keys.append(Settings(data_dir=tmp_path).read_secret_key())

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_every_setting_is_described() -> None:
    """Every setting has a description."""
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_forwarded_addresses_are_believed_of_known_proxies_only(tmp_path: Path) -> None:
    """X-Forwarded-For is used only if the setting gives the number of proxies."""
    for proxies, address in ((0, "127.0.0.1"), (1, "203.0.113.7")):
        app = create_app(Settings(data_dir=tmp_path, trusted_proxies=proxies, log_format="json"))
        with capture_log() as logged:
            app.test_client().get("/healthz", headers={"X-Forwarded-For": "203.0.113.7"})
        assert f'"address": "{address}"' in logged.text
        with app.app_context():
            db.engine.dispose()


def test_ca_bundle_must_be_certificates(tmp_path: Path) -> None:
    """A file that is missing or has no certificates stops the start."""
    text = tmp_path / "notes.txt"
    text.write_text("no certificates")
    for path in (tmp_path / "missing.pem", text):
        with pytest.raises(SettingsError, match="CA_BUNDLE: must be a PEM file with certificates"):
            load_settings(data_dir=tmp_path, ca_bundle=path)


def test_renamed_settings(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An old name works with a warning; the new name wins if both are set."""
    monkeypatch.setenv("CALLEVENTS_BREAKER_FIRST_PAUSE_SECONDS", "7")
    assert load_settings().breaker_open_seconds == 7
    assert "CALLEVENTS_BREAKER_OPEN_SECONDS" in caplog.text
    monkeypatch.setenv("CALLEVENTS_BREAKER_OPEN_SECONDS", "8")
    assert load_settings().breaker_open_seconds == 8


def test_renamed_settings_in_any_case(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Old names ignore case, as all names do; the new name wins in any case."""
    monkeypatch.setenv("callevents_breaker_first_pause_seconds", "7")
    assert load_settings().breaker_open_seconds == 7
    assert "CALLEVENTS_BREAKER_OPEN_SECONDS" in caplog.text
    monkeypatch.setenv("callevents_breaker_open_seconds", "8")
    assert load_settings().breaker_open_seconds == 8


PROVIDER = {
    "slug": "acme",
    "label": "Acme",
    "issuer": "https://login.acme.example/",
    "client_id": "call-events",
    "client_secret": "a secret of the provider",
    "grants": {"groups": {"pbx-admins": ["admin"]}},
}


def test_providers_of_single_sign_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They are read from JSON, one or several, and from a file."""
    file = tmp_path / "oidc.json"
    file.write_text(json.dumps([PROVIDER]))
    for value in (json.dumps(PROVIDER), json.dumps([PROVIDER]), str(file)):
        monkeypatch.setenv("CALLEVENTS_OIDC_PROVIDERS", value)
        [provider] = load_settings().oidc_providers
        assert provider.issuer == "https://login.acme.example/"
        assert provider.scopes == "openid profile email"


@pytest.mark.parametrize(
    ("change", "name", "sentence"),
    [
        ({"issuer": "http://login.acme.example"}, "_0_ISSUER", "must be a URL such as https://"),
        ({"issuer": "https://login.acme.example?x=1"}, "_0_ISSUER", "must be a URL such as"),
        ({"slug": "Acme GmbH"}, "_0_SLUG", "String should match pattern"),
        ({"scopes": "profile"}, "_0_SCOPES", "must contain openid"),
        ({"grants": {}}, "_0_GRANTS", "must give at least one grant"),
        ({"grants": {"groups": {"x": ["chef"]}}}, "_0_GRANTS", "'chef' is not a role (admin,"),
        *(
            ({"grants": {"groups": {"x": [text]}}}, "_0_GRANTS", f"{text!r} is not a role")
            for text in (
                *("viewer:", "admin:", "admin::", "admin: ", "admin:office:", "admin::101"),
                *("self-service", "self-service:", "self-service::", "self-service::101"),
                *("self-service:office", "self-service:office:", "admin:office:101"),
            )
        ),
        ({"secret": "x"}, "_0_SECRET", "Extra inputs are not permitted"),
    ],
)
def test_invalid_providers(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, object], name: str, sentence: str
) -> None:
    """The message says which value of which provider is wrong, and shows no secret."""
    message = error_of(monkeypatch, OIDC_PROVIDERS=json.dumps([PROVIDER | change]))
    assert message.startswith(f"Invalid setting CALLEVENTS_OIDC_PROVIDERS{name}: {sentence}")
    assert "a secret of the provider" not in message


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("[{", "must be JSON ("),
        ("/nowhere.json", "must be JSON or the name of a readable file ("),
        (json.dumps([PROVIDER, PROVIDER]), "each provider must have a slug of its own."),
    ],
)
def test_unreadable_providers(monkeypatch: pytest.MonkeyPatch, value: str, sentence: str) -> None:
    """Neither JSON nor a file, and two providers with one name."""
    message = error_of(monkeypatch, OIDC_PROVIDERS=value)
    assert message.startswith(f"Invalid setting CALLEVENTS_OIDC_PROVIDERS: {sentence}")
    assert "a secret of the provider" not in message


def test_passwords_off_without_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could sign in."""
    message = error_of(monkeypatch, LOCAL_PASSWORDS="off")
    assert "can be off only with CALLEVENTS_OIDC_PROVIDERS" in message
    monkeypatch.setenv("CALLEVENTS_LOCAL_PASSWORDS", "off")
    monkeypatch.setenv("CALLEVENTS_OIDC_PROVIDERS", json.dumps(PROVIDER))
    assert not load_settings().local_passwords
