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


# Column by column. To make the table anew, which SQLite's batches do, would take with it all that
# refers to its rows.
def upgrade():
    for column in columns():
        op.add_column('pbx', column)


def downgrade():
    for column in columns():
        op.drop_column('pbx', column.name)


def columns():
    return [
        sa.Column('format', sa.String(length=16), nullable=False, server_default='generic'),
        sa.Column('format_secret', sa.Text(), nullable=False, server_default=''),
    ]
