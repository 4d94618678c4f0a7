"""Call Events: webhooks for phone calls."""

from datetime import timedelta
from pathlib import Path

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from callevents import api, cli, logs, web
from callevents.audit.sign_in_failures import SignInFailures
from callevents.config import load_settings
from callevents.config.settings import Settings
from callevents.db.session import close_session
from callevents.extensions import csrf, db, init_state, migrate
from callevents.hooks.bulk.membership import give_hooks
from callevents.pbxs.groups import call_on_join

ROOT = Path(__file__).resolve().parent.parent


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application, ready to serve; raises SettingsError if a setting is invalid."""
    settings = settings or load_settings()
    app = Flask(__name__, static_folder=ROOT / "static", template_folder=ROOT / "templates")
    settings.make_data_dir()
    app.config.from_mapping(_flask_config(settings))
    init_state(app, settings, create_app).add(SignInFailures())
    logs.init_app(app, settings)
    db.init_app(app)
    app.teardown_appcontext(close_session)
    migrate.init_app(app, db, directory=str(ROOT / "callevents" / "migrations"))
    csrf.init_app(app)
    call_on_join(give_hooks)
    web.init_app(app)
    api.init_app(app)
    cli.init_app(app)
    # Outermost, so everything sees the real client address and scheme.
    if proxies := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # as Werkzeug documents it
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
        )
    return app


def _flask_config(settings: Settings) -> dict[str, object]:
    return {
        "SECRET_KEY": settings.read_secret_key(),
        "SQLALCHEMY_DATABASE_URI": settings.sqlalchemy_url,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(settings),
        "MAX_CONTENT_LENGTH": 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 1024 * 1024,
        "SESSION_COOKIE_NAME": "callevents",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "WTF_CSRF_TIME_LIMIT": int(timedelta(hours=12).total_seconds()),
    }


def _engine_options(settings: Settings) -> dict[str, object]:
    """Return SQLAlchemy's engine options: one connection for each thread."""
    # Database errors are logged; parameters can contain personal data.
    options: dict[str, object] = {"hide_parameters": True}
    if settings.uses_sqlite:
        # One for each thread, two for health checks, and two for the event loop.
        return options | {"pool_size": settings.web_threads + 4}
    return options | {
        "pool_size": max(settings.web_threads, 4),
        "max_overflow": 4,
        "pool_timeout": 5,
        # Replaces connections that died while idle, for example in a restart of the server.
        "pool_pre_ping": True,
        "connect_args": {
            "connect_timeout": 5,
            # An unresponsive database must not block a dialplan, or a thread, forever.
            "tcp_user_timeout": 10_000,
            "options": "-c statement_timeout=10000 -c lock_timeout=5000"
            " -c idle_in_transaction_session_timeout=60000",
        },
    }
