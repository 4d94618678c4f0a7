"""how each PBX's reports are written

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('pbx') as batch:
        batch.add_column(
            sa.Column('format', sa.String(length=16), nullable=False, server_default='generic')
        )
        batch.add_column(
            sa.Column('format_secret', sa.Text(), nullable=False, server_default='')
        )
    with op.batch_alter_table('pbx') as batch:
        batch.alter_column('format', server_default=None)
        batch.alter_column('format_secret', server_default=None)


def downgrade():
    with op.batch_alter_table('pbx') as batch:
        batch.drop_column('format_secret')
        batch.drop_column('format')
