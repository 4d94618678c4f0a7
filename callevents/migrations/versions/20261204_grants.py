"""roles of users: for all PBXs, for one, or for an extension

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op


revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

ROLE = sa.String(length=16)


def upgrade():
    op.create_table('user_grant',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('role', ROLE, nullable=False),
    sa.Column('pbx_id', sa.Integer(), nullable=True),
    sa.Column('extension_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.ForeignKeyConstraint(['extension_id'], ['extension.id'], name=op.f('fk_user_grant_extension_id_extension'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_user_grant_pbx_id_pbx'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user_account.id'], name=op.f('fk_user_grant_user_id_user_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_user_grant'))
    )
    for column in ('extension_id', 'pbx_id', 'user_id'):
        op.create_index(op.f(f'ix_user_grant_{column}'), 'user_grant', [column])
    op.create_table('password_link',
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user_account.id'], name=op.f('fk_password_link_user_id_user_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_password_link')),
    sa.UniqueConstraint('user_id', name=op.f('uq_password_link_user_id'))
    )
    op.execute('INSERT INTO user_grant (user_id, role) SELECT id, role FROM user_account ORDER BY id')
    # In place: a copied table could give IDs of removed users again.
    op.drop_column('user_account', 'role')
    op.add_column('user_account', sa.Column('email', sa.String(length=254), server_default='', nullable=False))
    op.add_column('user_account', sa.Column('last_sign_in_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('user_account', sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True))


def downgrade():
    # Before, every user could see all. Those who may not are removed, and so are disabled ones.
    op.execute(
        "DELETE FROM user_account WHERE disabled_at IS NOT NULL OR password_hash = '' OR id NOT IN "
        "(SELECT user_id FROM user_grant WHERE pbx_id IS NULL AND extension_id IS NULL AND role <> 'self-service')"
    )
    op.add_column('user_account', sa.Column('role', ROLE, server_default='viewer', nullable=False))
    op.execute(
        "UPDATE user_account SET role = 'admin' WHERE id IN "
        "(SELECT user_id FROM user_grant WHERE role = 'admin' AND pbx_id IS NULL)"
    )
    if op.get_bind().dialect.name == 'postgresql':
        op.alter_column('user_account', 'role', server_default=None)
    for column in ('disabled_at', 'last_sign_in_at', 'email'):
        op.drop_column('user_account', column)
    op.drop_table('password_link')
    for column in ('extension_id', 'pbx_id', 'user_id'):
        op.drop_index(op.f(f'ix_user_grant_{column}'), table_name='user_grant')
    op.drop_table('user_grant')
