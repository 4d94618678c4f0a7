"""api access

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op


revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('ingest_token', sa.Column('public_id', sa.Uuid(as_uuid=False), nullable=True))
    op.execute('UPDATE ingest_token SET public_id = id')
    with op.batch_alter_table('ingest_token', schema=None) as batch_op:
        batch_op.alter_column('public_id', existing_type=sa.Uuid(as_uuid=False), nullable=False)
    op.create_index('ix_extension_pbx_id_id', 'extension', ['pbx_id', 'id'], unique=False)
    op.create_table('idempotency_key',
    sa.Column('principal', sa.String(length=100), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('request_digest', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('headers', sa.JSON(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('principal', 'key', name=op.f('pk_idempotency_key'))
    )
    op.create_index(op.f('ix_idempotency_key_created_at'), 'idempotency_key', ['created_at'], unique=False)
    op.create_table('api_token',
    sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('pbx_id', sa.Integer(), nullable=True),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('hint', sa.String(length=12), nullable=False),
    sa.Column('scopes', sa.String(length=500), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_used_address', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_api_token_pbx_id_pbx'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user_account.id'], name=op.f('fk_api_token_user_id_user_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_token')),
    sa.UniqueConstraint('digest', name=op.f('uq_api_token_digest'))
    )
    op.create_index(op.f('ix_api_token_pbx_id'), 'api_token', ['pbx_id'], unique=False)
    op.create_index(op.f('ix_api_token_user_id'), 'api_token', ['user_id'], unique=False)
    op.create_table('oauth_app',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('pbx_id', sa.Integer(), nullable=True),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('secret_digest', sa.String(length=64), nullable=False),
    sa.Column('scopes', sa.String(length=500), nullable=False),
    sa.Column('redirect_uris', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_used_address', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_oauth_app_pbx_id_pbx'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user_account.id'], name=op.f('fk_oauth_app_user_id_user_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_oauth_app'))
    )
    op.create_index('ix_oauth_app_created_at_id', 'oauth_app', ['created_at', 'id'], unique=False)
    op.create_index(op.f('ix_oauth_app_pbx_id'), 'oauth_app', ['pbx_id'], unique=False)
    op.create_index(op.f('ix_oauth_app_user_id'), 'oauth_app', ['user_id'], unique=False)
    op.create_table('oauth_grant',
    sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('app_id', sa.String(length=40), nullable=False),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('scopes', sa.String(length=500), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('code_digest', sa.String(length=64), nullable=False),
    sa.Column('code_expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('code_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('redirect_uri', sa.Text(), nullable=False),
    sa.Column('code_challenge', sa.String(length=128), nullable=False),
    sa.ForeignKeyConstraint(['app_id'], ['oauth_app.id'], name=op.f('fk_oauth_grant_app_id_oauth_app'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user_account.id'], name=op.f('fk_oauth_grant_user_id_user_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_oauth_grant')),
    sa.UniqueConstraint('code_digest', name=op.f('uq_oauth_grant_code_digest'))
    )
    op.create_index(op.f('ix_oauth_grant_app_id'), 'oauth_grant', ['app_id'], unique=False)
    op.create_index(op.f('ix_oauth_grant_user_id'), 'oauth_grant', ['user_id'], unique=False)
    op.create_table('oauth_token',
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('app_id', sa.String(length=40), nullable=False),
    sa.Column('grant_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('user_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('scopes', sa.String(length=500), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['app_id'], ['oauth_app.id'], name=op.f('fk_oauth_token_app_id_oauth_app'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['grant_id'], ['oauth_grant.id'], name=op.f('fk_oauth_token_grant_id_oauth_grant'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user_account.id'], name=op.f('fk_oauth_token_user_id_user_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_oauth_token'))
    )
    op.create_index(op.f('ix_oauth_token_app_id'), 'oauth_token', ['app_id'], unique=False)
    op.create_index(op.f('ix_oauth_token_expires_at'), 'oauth_token', ['expires_at'], unique=False)
    op.create_index(op.f('ix_oauth_token_grant_id'), 'oauth_token', ['grant_id'], unique=False)
    op.create_index(op.f('ix_oauth_token_user_id'), 'oauth_token', ['user_id'], unique=False)
    op.create_index('ix_hook_pbx_id_id', 'hook', ['pbx_id', 'id'], unique=False)


def downgrade():
    op.drop_index('ix_hook_pbx_id_id', table_name='hook')
    for name in ('oauth_token', 'oauth_grant', 'oauth_app', 'api_token', 'idempotency_key'):
        op.drop_table(name)
    op.drop_index('ix_extension_pbx_id_id', table_name='extension')
    op.drop_column('ingest_token', 'public_id')
