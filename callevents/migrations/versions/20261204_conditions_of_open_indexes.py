"""a condition of its own for each index of open deliveries

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op


revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

#: By name: the column in the condition, and all columns.
INDEXES = {
    'ix_delivery_due': ('due_at', ['is_retry', 'origin_id', 'due_at', 'id']),
    'ix_delivery_ordering_key': ('ordering_key', ['ordering_key', 'happened_at', 'id']),
    'ix_delivery_expires': ('expires_at', ['expires_at']),
    'ix_delivery_hook_open': ('hook_id', ['hook_id', 'id']),
    'ix_delivery_pbx_open': ('pbx_id', ['pbx_id', 'id']),
}


def upgrade():
    for name, (by, columns) in INDEXES.items():
        replace(name, columns, f"state || ' {by}' = 'pending {by}'")


def downgrade():
    for name, (_by, columns) in INDEXES.items():
        replace(name, columns, "state = 'pending'")


def replace(name, columns, condition):
    """Create the index again, which reads the table once."""
    op.drop_index(name, table_name='delivery')
    where = sa.text(condition)
    op.create_index(name, 'delivery', columns, sqlite_where=where, postgresql_where=where)
