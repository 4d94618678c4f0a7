"""Shapes of requests: what receivers document, or what their source demands.

They are written from the sources that each module names, and not from the recipes.
"""

from collections.abc import Mapping

from tests.recipes.shapes import automation, calls_of_crms, chats, odoo, telephony
from tests.recipes.shapes.base import Shape

#: By recipe, and request; `*` is every request without a shape of its own.
SHAPES: Mapping[str, Mapping[str, type[Shape]]] = {
    "bitrix24": telephony.BITRIX24,
    "call-log": automation.CALL_LOG,
    "espocrm": calls_of_crms.ESPOCRM,
    "frappe": calls_of_crms.FRAPPE,
    "home-assistant": automation.PARAMETERS,
    "hubspot": calls_of_crms.HUBSPOT,
    "kommo": calls_of_crms.KOMMO,
    "mattermost": chats.MATTERMOST,
    "n8n": automation.PARAMETERS,
    "node-red": automation.PARAMETERS,
    "ntfy": chats.NTFY,
    "odoo": odoo.ODOO,
    "pipedrive": calls_of_crms.PIPEDRIVE,
    "slack": chats.SLACK,
    "suitecrm": calls_of_crms.SUITECRM,
    "teams": chats.TEAMS,
    "telegram": chats.TELEGRAM,
    "voipnow": automation.VOIPNOW,
    "vtiger": telephony.VTIGER,
    "zammad": telephony.ZAMMAD,
    "zendesk": calls_of_crms.ZENDESK,
    "zoho-phonebridge": telephony.ZOHO,
}
