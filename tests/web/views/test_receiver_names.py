"""Pages name the receiver of a delivery."""

import re

from callevents.db.models import Hook, Pbx
from callevents.extensions import db
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.ingest.calls import deliveries, store
from tests.web.conftest import Visitor
from tests.web.views.test_receivers import connect_zammad


def test_deliveries_name_the_receiver(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """The log and the call show its name instead of its address, the delivery links to it."""
    configure.extension("101")
    connect_zammad(admin)
    hook = db.session.query(Hook).one()
    store(pbx, Report(hook.event_type, "101", call_id="c1"))
    [delivery] = deliveries()
    for path in ("deliveries", "call?id=c1"):
        shown = admin.get(f"/pbxs/head-office/{path}").text
        assert re.search(r'class="to-receiver"\s+title="https://[^"]+">Zammad', shown)
    shown = admin.get(f"/pbxs/head-office/deliveries/{delivery.id}").text
    assert '<a href="/receivers/zammad">Zammad</a>' in shown
