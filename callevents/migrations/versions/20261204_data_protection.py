"""data protection of a PBX: its own retention, and hidden numbers

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op


revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('pbx', sa.Column('retention_days', sa.Integer(), nullable=True))
    op.add_column('pbx', sa.Column('hides_numbers', sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade():
    op.drop_column('pbx', 'hides_numbers')
    op.drop_column('pbx', 'retention_days')
