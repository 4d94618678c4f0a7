"""What people use: the pages."""

from flask import Flask

from callevents.web import (
    access,
    account,
    deliveries,
    errors,
    extensions,
    headers,
    home,
    hooks,
    pbxs,
    presentation,
)

OPEN = (account.bp,)
GUARDED = (home.bp, pbxs.bp, extensions.bp, hooks.bp, deliveries.bp)

for open_blueprint in OPEN:
    access.guard_public(open_blueprint)
for guarded_blueprint in GUARDED:
    access.guard(guarded_blueprint)


def init_app(app: Flask) -> None:
    """Register the blueprints for people."""
    access.init_app(app)
    headers.init_app(app)
    errors.init_app(app)
    presentation.init_app(app)
    for blueprint in (*OPEN, *GUARDED):
        app.register_blueprint(blueprint)
