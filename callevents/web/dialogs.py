"""Dialogs: a fragment for htmx, and for everybody else a page of its own with the same form."""

from collections.abc import Callable

from flask import Response, make_response, render_template

from callevents.errors import ConflictError, InvalidError
from callevents.extensions import db
from callevents.forms import Form
from callevents.web import hx
from callevents.web.hx import Answer


def render_dialog(template: str, code: int = 200, **values: object) -> Response:
    """Return the dialog, in the frame that was asked for."""
    layout = "_dialog.html" if hx.is_asking() else "_dialog_page.html"
    return make_response(render_template(template, layout=layout, **values), code)


def edit(form: Form, save: Callable[[], Answer], template: str, **values: object) -> Answer:
    """Show the form, or save it; show it again, as typed, with what is wrong."""
    if not form.is_submitted():
        return render_dialog(template, form=form, **values)
    if form.validate():
        try:
            return save()
        except InvalidError as error:
            form.show(error)
        except ConflictError as error:
            form.form_errors.append(str(error))
        db.session.rollback()
    return render_dialog(template, 422, form=form, **values)
