"""What viewers read of a request's body is what is sent."""

from itertools import product

import pytest

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import BodyFormat, EventType, Method, ParameterSet
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.options import BodyTemplate, HookOptions
from callevents.hooks.test_request import build_stored
from tests.web.conftest import Visitor
from tests.web.test_hook_form import ALL

TEMPLATE = BodyTemplate("application/json", '{"from": "{CallerIDNum}"}')


def shown(viewer: Visitor, pbx: Pbx, method: Method, options: HookOptions) -> tuple[str, bool]:
    """Return the parameters on the page of a request, and whether it has a template.

    Check that the request has a body, and its parameters in the URL, as the page says.
    """
    begin_write()
    hook = hooks.create_hook(
        pbx, None, EventType.HANGUP, hooks.HookData("http://a/", method, options=options)
    )
    db.session.commit()
    sent = build_stored(hook)
    text = viewer.get(f"{ALL}/requests/{hook.event_id}").text
    parameters, has_template = texts_of(text, "parameters"), 'id="template"' in text
    assert bool(sent.body) == (has_template or parameters.endswith(("as JSON", "as a form")))
    assert ("EventID=" in sent.url) == parameters.endswith("in the URL")
    return parameters, has_template


def texts_of(page: str, identifier: str) -> str:
    """Return the text of the element with this ID, empty without one."""
    return page.partition(f'id="{identifier}">')[2].partition("<")[0].strip()


@pytest.mark.parametrize(("method", "body_format"), list(product(Method, BodyFormat)))
def test_where_parameters_are(
    viewer: Visitor, pbx: Pbx, method: Method, body_format: BodyFormat
) -> None:
    """A GET has no body, and a DELETE only one from a template; a template replaces parameters."""
    options = HookOptions(body_format=body_format, body_template=TEMPLATE)
    has_body = method is not Method.GET and (
        method is not Method.DELETE or body_format is BodyFormat.TEMPLATE
    )
    expected = {
        BodyFormat.FORM: ("all, as a form", False),
        BodyFormat.JSON: ("all, as JSON", False),
        BodyFormat.TEMPLATE: ("", True),
    }
    assert shown(viewer, pbx, method, options) == (
        expected[body_format] if has_body else ("all, in the URL", False)
    )


def test_no_parameters(viewer: Visitor, pbx: Pbx) -> None:
    """They are nowhere."""
    options = HookOptions(parameters=ParameterSet.NONE)
    begin_write()
    data = hooks.HookData("http://a/", Method.DELETE, options=options)
    hook = hooks.create_hook(pbx, None, EventType.HANGUP, data)
    db.session.commit()
    assert texts_of(viewer.get(f"{ALL}/requests/{hook.event_id}").text, "parameters") == "none"
