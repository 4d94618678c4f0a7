"""A PBX that has something in every table, and a look at what is left of it."""

from datetime import timedelta

from sqlalchemy import func, insert, select

from callevents.api_access.api_tokens import add_api_token
from callevents.api_access.app_tokens import issue_for_grant
from callevents.api_access.apps import add_app
from callevents.api_access.scopes import ApiScope
from callevents.db.models import (
    CallAnswer,
    DiscardedReport,
    Extension,
    ExtensionGroup,
    GroupMember,
    MinuteStatistics,
    Notification,
    OAuthGrant,
    OncePerCall,
    Pbx,
    Receiver,
    ReceiverUser,
    Removal,
    SeenExtension,
    UnknownToken,
    User,
    new_id,
    utc_now,
)
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.suspend import suspend
from callevents.enums import ConnectorKind, DeliveryState, EventType, Role
from callevents.extensions import Base, db
from callevents.operations.statistics import ALL_PBXS, LATENCY_LIMITS_MS
from callevents.pbxs import connectors
from callevents.pbxs.connectors import ConnectorConfig
from callevents.users.grants import NewGrant, set_grants
from tests.conftest import Configure
from tests.support.aged_events import AddEvents

#: Tables that a PBX leaves something in: its ID, receivers that others use, and what is no PBX's.
NOT_OF_A_PBX = {
    *("removed_pbx", "origin", "audit_entry", "worker_process"),
    *("user_account", "user_session", "password_link", "user_identity"),
    *("app_key", "recovery_code", "passkey", "spent_challenge", "idempotency_key"),
    # Removed a while after the change.
    "bulk_change",
}


def fill(pbx: Pbx, configure: Configure, *, events: int = 5) -> None:
    """Add rows of every kind to the PBX; two of three deliveries wait."""
    configure.extension("101")
    hook = configure.hook("101", EventType.DIAL_IN, "http://crm.example.com/")
    gone = configure.hook("101", EventType.HANGUP, "http://crm.example.com/")
    add_events = AddEvents(pbx, hook)
    add_events(events, state=DeliveryState.PENDING, attempts=0)
    add_events(events, state=DeliveryState.PENDING, attempts=2)
    add_events(events, attempts=2, age=timedelta(hours=1))
    now = utc_now()
    begin_write()
    connectors.set_connector(
        pbx, ConnectorConfig(kind=ConnectorKind.FREESWITCH, host="pbx", port=8021, secret="s")
    )
    for row in (
        SeenExtension(pbx_id=pbx.id, number="202", last_seen_at=now),
        DiscardedReport(pbx_id=pbx.id, status=422, reason="No.", sent="x"),
        Removal(pbx_id=pbx.id, rows={"extension": [], "hook": [], "user_grant": []}),
        UnknownToken(pbx_id=pbx.id, network="192.0.2.9", count=1, last_at=now),
        OncePerCall(pbx_id=pbx.id, call_id="c1", hook_id=hook.id, delivery_id=new_id()),
        CallAnswer(pbx_id=pbx.id, call_id="c1", receiver_id=1, name="ID", value="7"),
    ):
        db.session.add(row)
    user = User(username=f"viewer-of-{pbx.slug}", password_hash="")
    db.session.add(user)
    set_grants(user, [NewGrant(Role.VIEWER, pbx)])
    _add_access(pbx, user)
    _add_receiver(pbx)
    states = {state.value: 0 for state in DeliveryState}
    latencies = [0] * (len(LATENCY_LIMITS_MS) + 1)
    db.session.execute(
        insert(MinuteStatistics).values(
            pbx_id=pbx.id, minute=now, events=1, latencies=latencies, **states
        )
    )
    db.session.commit()
    gone_id = gone.id
    db.session.rollback()
    with write_transaction(db.engine) as connection:
        suspend(connection, gone_id, "The receiver returned 410 Gone.", now)
    assert db.session.scalar(select(func.count()).select_from(Notification))
    db.session.commit()


def _add_access(pbx: Pbx, user: User) -> None:
    """Add an API token and an app for the PBX, which the user has allowed."""
    add_api_token(user, "Export", ["hooks:read"], pbx=pbx)
    app, _ = add_app(user, "CRM", pbx=pbx)
    grant = OAuthGrant(
        app=app,
        user=user,
        scopes=app.scopes,
        code_digest=app.id,
        code_expires_at=utc_now(),
        redirect_uri="https://crm.example.com/",
    )
    db.session.add(grant)
    db.session.flush()
    issue_for_grant(grant, frozenset({ApiScope.UAPI}))


def _add_receiver(pbx: Pbx) -> None:
    """Add a receiver of the PBX with a user, and a group with a member."""
    receiver = Receiver(
        slug=f"crm-of-{pbx.slug}", name="CRM", pbx_id=pbx.id, address="http://crm.example.com/"
    )
    group = ExtensionGroup(pbx_id=pbx.id, name="Sales")
    db.session.add_all([receiver, group])
    db.session.flush()
    extension = db.session.scalars(select(Extension).where(Extension.pbx_id == pbx.id)).one()
    db.session.add(ReceiverUser(receiver_id=receiver.id, pbx_id=pbx.id, number="101", user="7"))
    db.session.add(GroupMember(group_id=group.id, extension_id=extension.id))


def count_rows() -> dict[str, int]:
    """Return the number of rows of each table that has any, without those of no PBX."""
    db.session.rollback()
    counts = {
        table.name: db.session.scalar(select(func.count()).select_from(table)) or 0
        for table in Base.metadata.sorted_tables
        if table.name not in NOT_OF_A_PBX
    }
    of_all = select(func.count()).where(MinuteStatistics.pbx_id == ALL_PBXS)
    counts[MinuteStatistics.__tablename__] -= db.session.scalar(of_all) or 0
    db.session.rollback()
    return {name: count for name, count in counts.items() if count}
