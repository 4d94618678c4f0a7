"""late events, unseen legs, domains of connectors

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op


revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('call_event', sa.Column('is_late', sa.Boolean(), server_default='0', nullable=False))
    op.add_column('connector', sa.Column('unseen_legs', sa.BigInteger(), server_default='0', nullable=False))
    op.add_column('connector', sa.Column('domain', sa.String(length=255), server_default='', nullable=False))


def downgrade():
    op.drop_column('connector', 'domain')
    op.drop_column('connector', 'unseen_legs')
    op.drop_column('call_event', 'is_late')
