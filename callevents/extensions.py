"""The Flask extensions, not bound to an application, and the state of an application."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Response, current_app
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase
from werkzeug.exceptions import HTTPException

from callevents.config.settings import Settings
from callevents.security.encryption import Cipher

T = TypeVar("T")
MakeApp = Callable[[Settings], Flask]
ErrorResponse = Callable[[HTTPException], Response]

#: Names of constraints, so that migrations can drop them on every database.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of all models."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


@dataclass
class AppState:
    """Objects of one application; get it with `app_state`."""

    settings: Settings
    #: Creates another application with the same settings, for child processes.
    make_app: MakeApp
    cipher: Cipher
    #: Error responses for API clients, by path prefix.
    error_responses: dict[str, ErrorResponse] = field(default_factory=dict)
    #: Returns the OpenAPI document of the management API.
    describe_api: Callable[[], dict[str, Any]] = dict
    _services: dict[type[Any], Any] = field(default_factory=dict)

    def add(self, service: object) -> None:
        """Add a service. `get` and `find` return it by its class."""
        self._services[type(service)] = service

    def get(self, service: type[T]) -> T:
        """Return the service of this class; raises KeyError if there is none."""
        found: T = self._services[service]
        return found

    def find(self, service: type[T]) -> T | None:
        """Return the service of this class, or None."""
        return self._services.get(service)


def init_state(app: Flask, settings: Settings, make_app: MakeApp) -> AppState:
    """Create the state of the application and return it."""
    found = AppState(settings, make_app, Cipher(settings.read_encryption_keys))
    app.extensions["callevents"] = found
    return found


def app_state(app: Flask | None = None) -> AppState:
    """Return the state of the application, by default the current one."""
    found: AppState = (app or current_app).extensions["callevents"]
    return found


class AppCipher:
    """Encrypts secrets with the keys of the current application."""

    @property
    def bound(self) -> Cipher:
        """The current application's cipher."""
        return app_state().cipher

    def encrypt(self, text: str) -> str:
        """Return the text encrypted."""
        # Encryption is rare, and the first key may have been replaced by another process.
        self.bound.reload()
        return self.bound.encrypt(text)


db = SQLAlchemy(model_class=Base)
cipher = AppCipher()
migrate = Migrate()
csrf = CSRFProtect()
login = LoginManager()

if TYPE_CHECKING:
    # Flask-SQLAlchemy creates its model class at run time; type checkers cannot see it.
    Model = Base
else:
    Model = db.Model
