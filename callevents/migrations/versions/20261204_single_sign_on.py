"""single sign-on

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op


revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade():
    op.execute("UPDATE user_account SET password_hash = '' WHERE password_hash = '!'")
    op.create_table('user_identity',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('issuer', sa.String(length=255), nullable=False),
    sa.Column('subject', sa.String(length=255), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user_account.id'], name=op.f('fk_user_identity_user_id_user_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_user_identity')),
    sa.UniqueConstraint('issuer', 'subject', name=op.f('uq_user_identity_issuer_subject'))
    )
    op.create_index(op.f('ix_user_identity_user_id'), 'user_identity', ['user_id'], unique=False)
    op.add_column('user_session', sa.Column('provider', sa.String(length=32), server_default='', nullable=False))
    op.add_column('user_session', sa.Column('id_token', sa.Text(), server_default='', nullable=False))


def downgrade():
    op.drop_column('user_session', 'id_token')
    op.drop_column('user_session', 'provider')
    op.drop_table('user_identity')
    # Users of single sign-on stay. An empty hash would let everybody in who knows former versions.
    op.execute("UPDATE user_account SET password_hash = '!' WHERE password_hash = ''")
