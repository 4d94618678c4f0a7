"""workers that live, figures of each minute, and notices to people

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

UNSENT = sa.text('sent_at IS NULL')
FAILING = sa.text('failing_since IS NOT NULL')
SUSPENDED = sa.text('suspended_at IS NOT NULL')


def upgrade():
    op.create_table(
        'worker_process',
        sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
        sa.Column('host', sa.String(length=255), nullable=False),
        sa.Column('pid', sa.Integer(), nullable=False),
        sa.Column('version', sa.String(length=32), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_worker_process')),
    )
    op.create_table(
        'minute_figures',
        sa.Column('pbx_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('minute', sa.DateTime(timezone=True), nullable=False),
        sa.Column('events', sa.Integer(), nullable=False),
        sa.Column('pending', sa.Integer(), nullable=False),
        sa.Column('delivered', sa.Integer(), nullable=False),
        sa.Column('failed', sa.Integer(), nullable=False),
        sa.Column('cancelled', sa.Integer(), nullable=False),
        sa.Column('latencies', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('pbx_id', 'minute', name=op.f('pk_minute_figures')),
    )
    op.create_table(
        'notice',
        sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
        sa.Column('channel', sa.String(length=8), nullable=False),
        sa.Column('kind', sa.String(length=32), nullable=False),
        sa.Column('facts', sa.JSON(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('attempts', sa.SmallInteger(), nullable=False),
        sa.Column('error', sa.Text(), nullable=False),
        sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_notice')),
    )
    op.create_index(
        'ix_notice_due', 'notice', ['due_at'], sqlite_where=UNSENT, postgresql_where=UNSENT
    )
    for name, columns, where in hook_indexes():
        op.create_index(name, 'hook', columns, sqlite_where=where, postgresql_where=where)


def downgrade():
    for name, _columns, _where in hook_indexes():
        op.drop_index(name, 'hook')
    for table in ('notice', 'minute_figures', 'worker_process'):
        op.drop_table(table)


def hook_indexes():
    return [
        ('ix_hook_failing', ['failing_since'], FAILING),
        ('ix_hook_suspended', ['pbx_id', 'suspended_at'], SUSPENDED),
    ]
