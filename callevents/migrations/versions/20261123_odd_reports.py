"""reports of which nothing came

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'odd_report',
        sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
        sa.Column('pbx_id', sa.Integer(), nullable=False),
        sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('status', sa.SmallInteger(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('sent', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ['pbx_id'], ['pbx.id'], name=op.f('fk_odd_report_pbx_id_pbx'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_odd_report')),
    )
    op.create_index('ix_odd_report_pbx_id_id', 'odd_report', ['pbx_id', 'id'])


def downgrade():
    op.drop_table('odd_report')
