"""extensions that PBXs list when they are asked

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade():
    for column in connector_columns():
        op.add_column('connector', column)
    # Nothing refers to this table, so that SQLite may make it anew.
    with op.batch_alter_table('seen_extension') as batch:
        for column in seen_columns():
            batch.add_column(column)
        batch.alter_column('last_seen_at', existing_type=sa.DateTime(timezone=True), nullable=True)


def downgrade():
    op.execute(sa.text('DELETE FROM seen_extension WHERE last_seen_at IS NULL'))
    with op.batch_alter_table('seen_extension') as batch:
        batch.alter_column('last_seen_at', existing_type=sa.DateTime(timezone=True), nullable=False)
        for column in seen_columns():
            batch.drop_column(column.name)
    for column in connector_columns():
        op.drop_column('connector', column.name)


def connector_columns():
    return [
        sa.Column('list_wanted_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('listed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('listed', sa.Integer(), nullable=False, server_default='0'),
        sa.Column('list_notice', sa.Text(), nullable=False, server_default=''),
    ]


def seen_columns():
    return [
        sa.Column('known_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('name', sa.String(length=100), nullable=False, server_default=''),
        sa.Column('dismissed', sa.Boolean(), nullable=False, server_default=sa.false()),
    ]
