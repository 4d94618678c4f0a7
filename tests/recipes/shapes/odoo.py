"""Odoo's JSON-2 API.

odoo/documentation, content/developer/reference/external_api.rst; fields of crm.phonecall from
OCA/crm, crm_phonecall/models/crm_phonecall.py.
"""

from typing import ClassVar, Literal

from tests.recipes.shapes.base import Moment, Shape, Text


class Lead(Shape):
    """A record of crm.lead."""

    name: Text
    phone: str
    contact_name: str


class Leads(Shape):
    """The parameters of `create`."""

    path: ClassVar[str] = r"/json/2/crm\.lead/create"
    headers: ClassVar = {"X-Odoo-Database": "example"}
    vals_list: list[Lead]


class PhoneCall(Shape):
    """A record of crm.phonecall."""

    name: Text
    partner_phone: str
    direction: Literal["in", "out"]
    state: Literal["open", "cancel", "pending", "done"]
    date: Moment
    duration: float
    user_id: int | None


class PhoneCalls(Shape):
    """The parameters of `create`."""

    path: ClassVar[str] = r"/json/2/crm\.phonecall/create"
    headers: ClassVar = {"X-Odoo-Database": "example"}
    vals_list: list[PhoneCall]


ODOO = {"missed-call": Leads, "call": PhoneCalls}
