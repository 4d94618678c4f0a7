"""removal and quotas of PBXs, last use of tokens, reports without a valid token

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op


revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

#: Integers of a PBX that may be empty. SQLite adds and drops them in place.
NUMBERS = ('max_events_per_minute', 'max_hooks', 'max_extensions', 'max_open_deliveries', 'rows_to_remove')


def upgrade():
    for name in NUMBERS:
        op.add_column('pbx', sa.Column(name, sa.Integer(), nullable=True))
    op.add_column('pbx', sa.Column('removing_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('pbx', sa.Column('rows_removed', sa.Integer(), server_default='0', nullable=False))
    op.add_column('ingest_token', sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        'ingest_token', sa.Column('last_used_address', sa.String(length=64), server_default='', nullable=False)
    )
    op.create_table(
        'removed_pbx',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('removed_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_removed_pbx')),
    )
    op.create_table(
        'unknown_token',
        sa.Column('pbx_id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('network', sa.String(length=64), nullable=False),
        sa.Column('count', sa.Integer(), nullable=False),
        sa.Column('last_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['pbx_id'], ['pbx.id'], name=op.f('fk_unknown_token_pbx_id_pbx'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('pbx_id', 'network', name=op.f('pk_unknown_token')),
    )


def downgrade():
    # The version before cannot continue a removal: such a PBX would be in use again, without its tokens.
    op.execute('DELETE FROM pbx WHERE removing_at IS NOT NULL')
    op.drop_table('unknown_token')
    op.drop_table('removed_pbx')
    op.drop_column('ingest_token', 'last_used_address')
    op.drop_column('ingest_token', 'last_used_at')
    op.drop_column('pbx', 'rows_removed')
    op.drop_column('pbx', 'removing_at')
    for name in reversed(NUMBERS):
        op.drop_column('pbx', name)
