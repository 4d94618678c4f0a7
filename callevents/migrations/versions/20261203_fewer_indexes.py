"""fewer indexes of deliveries, smaller attempts

Revision ID: 0014
Revises: 0013
"""

import json
import zlib

import sqlalchemy as sa
from alembic import op


revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

INDEXES = {
    'ix_delivery_pbx_id_event_type_id': ['pbx_id', 'event_type', 'id'],
    'ix_delivery_pbx_id_call_id_id': ['pbx_id', 'call_id', 'id'],
    'ix_delivery_origin_id_id': ['origin_id', 'id'],
}
BODIES = ('request_body', 'response_body')
BATCH = 1000

COMMON = [['User-Agent', 'CallEvents/1.0'], ['Accept', '*/*']]
BEGINNINGS = {
    1: [*COMMON, ['Content-Type', 'application/x-www-form-urlencoded']],
    2: [*COMMON, ['Content-Type', 'application/json']],
    3: COMMON,
}


def upgrade():
    for name in INDEXES:
        op.drop_index(name, table_name='delivery')
    op.drop_index('ix_call_event_pbx_id_call_id', table_name='call_event')
    op.create_index('ix_call_event_pbx_id_call_id_received_at', 'call_event', ['pbx_id', 'call_id', 'received_at'])
    # Compressed bodies are bytes, which SQLite stores in a column of any type.
    change_type('BYTEA', 'convert_to')


def downgrade():
    unpack_all()
    change_type('TEXT', 'convert_from')
    op.drop_index('ix_call_event_pbx_id_call_id_received_at', table_name='call_event')
    op.create_index('ix_call_event_pbx_id_call_id', 'call_event', ['pbx_id', 'call_id'])
    for name, columns in INDEXES.items():
        op.create_index(name, 'delivery', columns)


def change_type(column_type, convert):
    if op.get_bind().dialect.name == 'postgresql':
        # In one statement, which writes the table once: half a minute for a million attempts.
        changes = (f"ALTER {name} TYPE {column_type} USING {convert}({name}, 'UTF8')" for name in BODIES)
        op.execute(f'ALTER TABLE attempt {", ".join(changes)}')


def unpack_all():
    """Store attempts as before: bodies as plain text, all headers, and repeated requests in full."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == 'sqlite'
    attempt = sa.table(
        'attempt',
        sa.column('delivery_id', sa.Uuid(as_uuid=False)),
        sa.column('number', sa.Integer()),
        sa.column('url', sa.Text()),
        sa.column('request_headers', sa.JSON()),
        # SQLite returns text or bytes, as stored.
        sa.column('request_body', sa.Text() if is_sqlite else sa.LargeBinary()),
        sa.column('response_body', sa.Text() if is_sqlite else sa.LargeBinary()),
    )
    key = sa.tuple_(attempt.c.delivery_id, attempt.c.number)
    query = sa.select(attempt).order_by(attempt.c.delivery_id, attempt.c.number).limit(BATCH)
    change = (
        sa.update(attempt)
        .where(attempt.c.delivery_id == sa.bindparam('id'), attempt.c.number == sa.bindparam('n'))
        .values({name: sa.bindparam(f'new_{name}') for name in ('url', 'request_headers', *BODIES)})
    )
    first = last = None
    while rows := connection.execute(query.where(key > last) if last is not None else query).all():
        changes = []
        for row in rows:
            values = unpack(row, is_sqlite)
            if row.number == 1:
                first = values
            if not row.url:
                values |= {'new_url': first['new_url'], 'new_request_body': first['new_request_body']}
            if any(values[f'new_{name}'] != getattr(row, name) for name in ('url', 'request_headers', *BODIES)):
                changes.append({'id': row.delivery_id, 'n': row.number, **values})
        if changes:
            connection.execute(change, changes)
        last = sa.tuple_(
            sa.literal(rows[-1].delivery_id, sa.Uuid(as_uuid=False)), sa.literal(rows[-1].number)
        )


def unpack(row, is_sqlite):
    headers = row.request_headers
    if headers and isinstance(headers[0], int):
        headers = [*BEGINNINGS[headers[0]], *headers[1:]]
    bodies = {}
    for name in BODIES:
        body = getattr(row, name)
        if isinstance(body, bytes) and body.startswith(b'\0'):
            body = zlib.decompress(body[1:])
        bodies[f'new_{name}'] = body.decode() if is_sqlite and isinstance(body, bytes) else body
    return {'new_url': row.url, 'new_request_headers': headers, **bodies}
