"""Simulated receivers: small applications on a socket that check what the real ones demand.

Each is written from its source, which its module names, and not from the recipe.
"""

from collections.abc import Mapping

from tests.recipes.simulated.base import Simulated
from tests.recipes.simulated.bitrix24 import Bitrix24
from tests.recipes.simulated.call_log import CallLog
from tests.recipes.simulated.espocrm import EspoCrm
from tests.recipes.simulated.frappe import Frappe
from tests.recipes.simulated.home_assistant import HomeAssistant
from tests.recipes.simulated.hubspot import HubSpot
from tests.recipes.simulated.kommo import Kommo
from tests.recipes.simulated.mattermost import Mattermost
from tests.recipes.simulated.n8n import N8n
from tests.recipes.simulated.node_red import NodeRed
from tests.recipes.simulated.ntfy import Ntfy
from tests.recipes.simulated.oauth import ClientCredentials
from tests.recipes.simulated.odoo import Odoo
from tests.recipes.simulated.pipedrive import Pipedrive
from tests.recipes.simulated.slack import Slack
from tests.recipes.simulated.suitecrm import SuiteCrm
from tests.recipes.simulated.teams import Teams
from tests.recipes.simulated.telegram import Telegram
from tests.recipes.simulated.voipnow import VoipNowApplication
from tests.recipes.simulated.vtiger import Vtiger
from tests.recipes.simulated.zammad import Zammad
from tests.recipes.simulated.zendesk import Zendesk
from tests.recipes.simulated.zoho import Zoho

#: The simulated receivers by the name of their recipe; `oauth` has none.
SIMULATED: Mapping[str, type[Simulated]] = {
    "bitrix24": Bitrix24,
    "call-log": CallLog,
    "espocrm": EspoCrm,
    "frappe": Frappe,
    "home-assistant": HomeAssistant,
    "hubspot": HubSpot,
    "kommo": Kommo,
    "mattermost": Mattermost,
    "n8n": N8n,
    "node-red": NodeRed,
    "ntfy": Ntfy,
    "oauth": ClientCredentials,
    "odoo": Odoo,
    "pipedrive": Pipedrive,
    "slack": Slack,
    "suitecrm": SuiteCrm,
    "teams": Teams,
    "telegram": Telegram,
    "voipnow": VoipNowApplication,
    "vtiger": Vtiger,
    "zammad": Zammad,
    "zendesk": Zendesk,
    "zoho-phonebridge": Zoho,
}
