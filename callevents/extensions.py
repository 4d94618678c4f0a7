"""The Flask extensions, unbound, and how a database session becomes a writer's."""

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

#: Names for constraints, so that migrations can drop what they made on every database.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of all models."""

    metadata = MetaData(naming_convention=NAMING)


@dataclass
class AppState:
    """Objects that belong to one application; read it with `app_state`."""

    settings: Settings
    #: Makes another application of the same kind, for processes that need one of their own.
    make_app: MakeApp
    cipher: Cipher
    #: Error responses for API clients, by the beginning of the path.
    error_responses: dict[str, ErrorResponse] = field(default_factory=dict)
    _services: dict[type[Any], Any] = field(default_factory=dict)

    def add(self, service: object) -> None:
        """Add a service, found by its class from then on."""
        self._services[type(service)] = service

    def get(self, service: type[T]) -> T:
        """Return the service of this class; raises KeyError if the application has none."""
        found: T = self._services[service]
        return found

    def find(self, service: type[T]) -> T | None:
        """Return the service of this class, None if the application has none."""
        return self._services.get(service)


def init_state(app: Flask, settings: Settings, make_app: MakeApp) -> AppState:
    """Give the application its state and return it."""
    found = AppState(settings, make_app, Cipher(settings.read_encryption_keys))
    app.extensions["callevents"] = found
    return found


def app_state(app: Flask | None = None) -> AppState:
    """Return the state of the application, by default of the current one."""
    found: AppState = (app or current_app).extensions["callevents"]
    return found


class AppCipher:
    """Encrypts secrets with the keys of the application whose context it is used in."""

    @property
    def bound(self) -> Cipher:
        """The current application's cipher."""
        return app_state().cipher

    def encrypt(self, text: str) -> str:
        """Return the text encrypted."""
        # It is done seldom, and an old key may be dropped once a newer one is there.
        self.bound.reload()
        return self.bound.encrypt(text)


db = SQLAlchemy(model_class=Base)
cipher = AppCipher()
migrate = Migrate()
csrf = CSRFProtect()
login = LoginManager()

if TYPE_CHECKING:
    # Flask-SQLAlchemy makes its model class at run time, where no type checker can see it.
    Model = Base
else:
    Model = db.Model
