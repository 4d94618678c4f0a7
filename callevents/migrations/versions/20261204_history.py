"""history of changes

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op


revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None

INDEXED = ('pbx_id', 'extension_id', 'actor_name', 'object_id', 'object_name')


def upgrade():
    op.create_table(
        'audit_entry',
        sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('actor_kind', sa.String(16), nullable=False),
        sa.Column('actor_id', sa.String(100), nullable=True),
        sa.Column('actor_name', sa.String(300), nullable=False),
        sa.Column('address', sa.String(64), nullable=False),
        sa.Column('action', sa.String(40), nullable=False),
        sa.Column('object_kind', sa.String(16), nullable=False),
        sa.Column('object_id', sa.String(100), nullable=False),
        sa.Column('object_name', sa.String(300), nullable=False),
        sa.Column('pbx_id', sa.Integer(), nullable=True),
        sa.Column('extension_id', sa.String(36), nullable=True),
        sa.Column('before', sa.JSON(), nullable=False),
        sa.Column('after', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_audit_entry'),
    )
    for name in INDEXED:
        op.create_index(f'ix_audit_entry_{name}_id', 'audit_entry', [name, 'id'])
    op.create_index('ix_audit_entry_action_id', 'audit_entry', ['action', 'id'])


def downgrade():
    op.drop_table('audit_entry')
