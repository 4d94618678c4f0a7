"""held deliveries, and removals that can be undone

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op


revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

HELD = sa.text("state = 'held'")
INDEXES = {
    'ix_delivery_held_expires': ['expires_at'],
    'ix_delivery_hook_held': ['hook_id', 'id'],
    'ix_delivery_pbx_held': ['pbx_id', 'id'],
}


def upgrade():
    for name, columns in INDEXES.items():
        # Each has a condition of its own, as those of open deliveries.
        by = columns[0]
        where = sa.text(f"state || ' {by}' = 'held {by}'")
        op.create_index(name, 'delivery', columns, sqlite_where=where, postgresql_where=where)
    op.add_column('minute_statistics', sa.Column('held', sa.Integer(), server_default='0', nullable=False))
    op.create_table(
        'removal',
        sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
        sa.Column('pbx_id', sa.Integer(), nullable=False),
        sa.Column('removed_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('rows', sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_removal_pbx_id_pbx'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_removal')),
    )
    op.create_index('ix_removal_pbx_id', 'removal', ['pbx_id'])


def downgrade():
    # The version before cancels what waits for a disabled or removed request, so that is how they
    # end. Made pending, they would be cancelled too, but without a reason, when a worker finds them.
    delivery = sa.table(
        'delivery',
        *(sa.column(name) for name in ('state', 'error', 'claimed_at')),
        sa.column('finished_at', sa.DateTime(timezone=True)),
    )
    op.execute(
        delivery.update()
        .where(HELD)
        .values(
            state='cancelled',
            error='Cancelled by a downgrade: this version cannot hold the deliveries of a disabled request.',
            claimed_at=None,
            finished_at=sa.func.strftime('%Y-%m-%d %H:%M:%f000', 'now')
            if op.get_bind().dialect.name == 'sqlite'
            else sa.func.now(),
        )
    )
    op.execute('UPDATE minute_statistics SET cancelled = cancelled + held')
    op.drop_table('removal')
    op.drop_column('minute_statistics', 'held')
    for name in INDEXES:
        op.drop_index(name, table_name='delivery')
