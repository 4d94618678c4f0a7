"""policy of hooks, origins, and the order of deliveries

Revision ID: 0002
Revises: 0001
"""

from hashlib import blake2b
from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

DAY = 24 * 3600
BEGINNING = '1970-01-01 00:00:00'
PENDING, FAILED, CANCELLED = (sa.text(f"state = '{s}'") for s in ('pending', 'failed', 'cancelled'))


def upgrade():
    op.create_table(
        'origin',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=300), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('probe_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('pauses', sa.Integer(), nullable=False),
        sa.Column('error', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_origin')),
        sa.UniqueConstraint('name', name=op.f('uq_origin_name')),
    )
    for column in hook_columns():
        op.add_column('hook', column)
    for column in delivery_columns():
        op.add_column('delivery', column)
    fill()
    op.create_index('ix_hook_origin_id', 'hook', ['origin_id'])
    op.drop_index('ix_delivery_due', 'delivery')
    for name, columns, where in new_indexes():
        op.create_index(name, 'delivery', columns, sqlite_where=where, postgresql_where=where)
    # Call by call, which takes for ever without the index on a PBX's calls. SQLite would take that
    # on origins, which have few values, were it not for the plus sign there.
    fill_lanes(op.get_bind())


def downgrade():
    for name, _columns, _where in new_indexes():
        op.drop_index(name, 'delivery')
    op.create_index(
        'ix_delivery_due', 'delivery', ['due_at', 'id'], sqlite_where=PENDING, postgresql_where=PENDING
    )
    op.drop_index('ix_hook_origin_id', 'hook')
    for column in delivery_columns():
        op.drop_column('delivery', column.name)
    for column in hook_columns():
        op.drop_column('hook', column.name)
    op.drop_table('origin')


def hook_columns():
    return [
        sa.Column('origin_id', sa.Integer(), nullable=False, server_default='0'),
        sa.Column('give_up_seconds', sa.Integer(), nullable=False, server_default=str(DAY)),
        sa.Column('in_order', sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column('body_format', sa.String(length=8), nullable=False, server_default='form'),
        sa.Column('parameters', sa.String(length=8), nullable=False, server_default='all'),
        sa.Column('auth', sa.String(length=8), nullable=False, server_default='none'),
        sa.Column('auth_secret', sa.Text(), nullable=False, server_default=''),
        sa.Column('own_headers', sa.Text(), nullable=False, server_default=''),
        sa.Column('signing_secret', sa.Text(), nullable=False, server_default=''),
        sa.Column('previous_signing_secret', sa.Text(), nullable=False, server_default=''),
        sa.Column('previous_secret_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True),
        sa.Column('suspended_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('suspended_reason', sa.Text(), nullable=False, server_default=''),
    ]


def delivery_columns():
    return [
        sa.Column('event_type', sa.SmallInteger(), nullable=False, server_default='0'),
        sa.Column('extension', sa.String(length=64), nullable=False, server_default=''),
        sa.Column('call_id', sa.String(length=255), nullable=False, server_default=''),
        sa.Column(
            'happened_at', sa.DateTime(timezone=True), nullable=False, server_default=BEGINNING
        ),
        sa.Column('origin_id', sa.Integer(), nullable=False, server_default='0'),
        sa.Column('lane', sa.BigInteger(), nullable=True),
        sa.Column(
            'expires_at', sa.DateTime(timezone=True), nullable=False, server_default=BEGINNING
        ),
        sa.Column('is_retry', sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column('parked', sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column('resent_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('attempts_before', sa.Integer(), nullable=False, server_default='0'),
    ]


def new_indexes():
    return [
        ('ix_delivery_due', ['is_retry', 'origin_id', 'due_at', 'id'], PENDING),
        ('ix_delivery_lane', ['lane', 'happened_at', 'id'], PENDING),
        ('ix_delivery_expires', ['expires_at'], PENDING),
        ('ix_delivery_pbx_open', ['pbx_id', 'id'], PENDING),
        ('ix_delivery_pbx_failed', ['pbx_id', 'id'], FAILED),
        ('ix_delivery_pbx_cancelled', ['pbx_id', 'id'], CANCELLED),
        ('ix_delivery_pbx_id_extension_id', ['pbx_id', 'extension', 'id'], None),
        ('ix_delivery_pbx_id_event_type_id', ['pbx_id', 'event_type', 'id'], None),
        ('ix_delivery_pbx_id_call_id_id', ['pbx_id', 'call_id', 'id'], None),
        ('ix_delivery_origin_id_id', ['origin_id', 'id'], None),
    ]


def fill():
    """Give what is there already its origin, its event's facts, its lane and its end."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == 'sqlite'
    origins = {}
    for table in ('hook', 'delivery'):
        for (url,) in connection.execute(sa.text(f'SELECT DISTINCT url FROM {table}')).all():
            connection.execute(
                sa.text(f'UPDATE {table} SET origin_id = :origin WHERE url = :url'),
                {'origin': origin_id(connection, origins, url), 'url': url},
            )
    end = (
        "strftime('%Y-%m-%d %H:%M:%f000', created_at, '+1 day')"
        if is_sqlite
        else "created_at + interval '1 day'"
    )
    facts = ', '.join(
        f'{name} = (SELECT e.{name} FROM call_event e WHERE e.id = delivery.call_event_id)'
        for name in ('event_type', 'extension', 'call_id', 'happened_at')
    )
    connection.execute(
        sa.text(f'UPDATE delivery SET {facts}, expires_at = {end}, is_retry = (attempts > 0)')
    )


def origin_id(connection, known, url):
    parts = urlsplit(url)
    host = f'[{parts.hostname}]' if ':' in parts.hostname else parts.hostname
    name = f'{parts.scheme}://{host}:{parts.port or (443 if parts.scheme == "https" else 80)}'
    if name not in known:
        known[name] = len(known) + 1
        connection.execute(
            sa.text('INSERT INTO origin (name, failures, pauses, error) VALUES (:name, 0, 0, \'\')'),
            {'name': name},
        )
        known[name] = connection.scalar(
            sa.text('SELECT id FROM origin WHERE name = :name'), {'name': name}
        )
    return known[name]


def fill_lanes(connection):
    calls = connection.execute(
        sa.text("SELECT DISTINCT pbx_id, origin_id, call_id FROM delivery WHERE call_id <> ''")
    ).all()
    for pbx_id, origin, call_id in calls:
        digest = blake2b(f'{pbx_id}\0{origin}\0{call_id}'.encode(), digest_size=8).digest()
        connection.execute(
            sa.text(
                'UPDATE delivery SET lane = :lane WHERE pbx_id = :pbx_id'
                ' AND +origin_id = :origin AND call_id = :call_id'
            ),
            {
                'lane': int.from_bytes(digest, 'big', signed=True),
                'pbx_id': pbx_id,
                'origin': origin,
                'call_id': call_id,
            },
        )
