"""The command that prints the OpenAPI document."""

import click
from flask.cli import with_appcontext

from callevents.api.v1.documents import openapi_text


@click.command("openapi")
@with_appcontext
def print_openapi() -> None:
    """Print the OpenAPI document of the management API."""
    click.echo(openapi_text(), nl=False)
