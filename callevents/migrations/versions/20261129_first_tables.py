"""first tables

Revision ID: 0010
Revises: 
"""

import sqlalchemy as sa
from alembic import op


revision = '0010'
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('minute_statistics',
    sa.Column('pbx_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('minute', sa.DateTime(timezone=True), nullable=False),
    sa.Column('events', sa.Integer(), nullable=False),
    sa.Column('pending', sa.Integer(), nullable=False),
    sa.Column('delivered', sa.Integer(), nullable=False),
    sa.Column('failed', sa.Integer(), nullable=False),
    sa.Column('cancelled', sa.Integer(), nullable=False),
    sa.Column('latencies', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('pbx_id', 'minute', name=op.f('pk_minute_statistics'))
    )
    op.create_table('notification',
    sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('channel', sa.String(length=8), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('attempts', sa.SmallInteger(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notification'))
    )
    with op.batch_alter_table('notification', schema=None) as batch_op:
        batch_op.create_index('ix_notification_due', ['due_at'], unique=False, sqlite_where=sa.text('sent_at IS NULL'), postgresql_where=sa.text('sent_at IS NULL'))

    op.create_table('origin',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=300), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('probe_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('times_opened', sa.Integer(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_origin')),
    sa.UniqueConstraint('name', name=op.f('uq_origin_name'))
    )
    op.create_table('pbx',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('slug', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('format', sa.String(length=16), nullable=False),
    sa.Column('format_secret', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_pbx')),
    sa.UniqueConstraint('slug', name=op.f('uq_pbx_slug'))
    )
    op.create_table('sign_in_failure',
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('failed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('blocked_until', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_sign_in_failure'))
    )
    op.create_table('user_account',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('username', sa.String(length=64), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=False),
    sa.Column('role', sa.String(length=16), nullable=False),
    sa.Column('session_version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_user_account')),
    sa.UniqueConstraint('username', name=op.f('uq_user_account_username'))
    )
    op.create_table('worker_process',
    sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('pid', sa.Integer(), nullable=False),
    sa.Column('version', sa.String(length=32), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_worker_process'))
    )
    op.create_table('call_event',
    sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('pbx_id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('event_type', sa.SmallInteger(), nullable=False),
    sa.Column('extension', sa.String(length=64), nullable=False),
    sa.Column('call_id', sa.String(length=255), nullable=False),
    sa.Column('leg_id', sa.String(length=255), nullable=False),
    sa.Column('peer', sa.String(length=255), nullable=False),
    sa.Column('caller_number', sa.String(length=255), nullable=False),
    sa.Column('caller_name', sa.String(length=255), nullable=False),
    sa.Column('caller_extension', sa.String(length=255), nullable=False),
    sa.Column('called_number', sa.String(length=255), nullable=False),
    sa.Column('called_extension', sa.String(length=255), nullable=False),
    sa.Column('called_did', sa.String(length=255), nullable=False),
    sa.Column('flow', sa.String(length=8), nullable=True),
    sa.Column('status', sa.String(length=16), nullable=True),
    sa.Column('cause', sa.SmallInteger(), nullable=True),
    sa.Column('duration_seconds', sa.Integer(), nullable=True),
    sa.Column('happened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_call_event_pbx_id_pbx'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_call_event')),
    sa.UniqueConstraint('pbx_id', 'key', name=op.f('uq_call_event_pbx_id_key'))
    )
    with op.batch_alter_table('call_event', schema=None) as batch_op:
        batch_op.create_index('ix_call_event_pbx_id_call_id', ['pbx_id', 'call_id'], unique=False)
        batch_op.create_index('ix_call_event_pbx_id_received_at', ['pbx_id', 'received_at'], unique=False)

    op.create_table('connector',
    sa.Column('pbx_id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('port', sa.Integer(), nullable=False),
    sa.Column('username', sa.String(length=100), nullable=False),
    sa.Column('secret', sa.Text(), nullable=False),
    sa.Column('uses_tls', sa.Boolean(), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('extension_pattern', sa.String(length=200), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('leader_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('leader_name', sa.String(length=300), nullable=False),
    sa.Column('leader_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('connected_since', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_message_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('messages', sa.BigInteger(), nullable=False),
    sa.Column('events', sa.BigInteger(), nullable=False),
    sa.Column('skipped', sa.BigInteger(), nullable=False),
    sa.Column('dropped_legs', sa.BigInteger(), nullable=False),
    sa.Column('waiting', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.Text(), nullable=False),
    sa.Column('last_error_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('list_wanted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('listed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('listed', sa.Integer(), nullable=False),
    sa.Column('list_notice', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_connector_pbx_id_pbx'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('pbx_id', name=op.f('pk_connector'))
    )
    op.create_table('discarded_report',
    sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('pbx_id', sa.Integer(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('status', sa.SmallInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('sent', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_discarded_report_pbx_id_pbx'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_discarded_report'))
    )
    with op.batch_alter_table('discarded_report', schema=None) as batch_op:
        batch_op.create_index('ix_discarded_report_pbx_id_id', ['pbx_id', 'id'], unique=False)

    op.create_table('extension',
    sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('pbx_id', sa.Integer(), nullable=False),
    sa.Column('number', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_extension_pbx_id_pbx'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_extension')),
    sa.UniqueConstraint('pbx_id', 'number', name=op.f('uq_extension_pbx_id_number'))
    )
    op.create_table('ingest_token',
    sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('pbx_id', sa.Integer(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('hint', sa.String(length=12), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_ingest_token_pbx_id_pbx'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ingest_token'))
    )
    with op.batch_alter_table('ingest_token', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_ingest_token_pbx_id'), ['pbx_id'], unique=False)

    op.create_table('seen_extension',
    sa.Column('pbx_id', sa.Integer(), nullable=False),
    sa.Column('number', sa.String(length=64), nullable=False),
    sa.Column('last_seen_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('listed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('dismissed', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_seen_extension_pbx_id_pbx'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('pbx_id', 'number', name=op.f('pk_seen_extension'))
    )
    op.create_table('delivery',
    sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('pbx_id', sa.Integer(), nullable=False),
    sa.Column('call_event_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('event_type', sa.SmallInteger(), nullable=False),
    sa.Column('extension', sa.String(length=64), nullable=False),
    sa.Column('call_id', sa.String(length=255), nullable=False),
    sa.Column('happened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('hook_id', sa.Integer(), nullable=False),
    sa.Column('hook_event_id', sa.String(length=30), nullable=False),
    sa.Column('method', sa.String(length=8), nullable=False),
    sa.Column('url', sa.String(length=2000), nullable=False),
    sa.Column('origin_id', sa.Integer(), nullable=False),
    sa.Column('ordering_key', sa.BigInteger(), nullable=True),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('is_retry', sa.Boolean(), nullable=False),
    sa.Column('deferred', sa.Boolean(), nullable=False),
    sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('fence', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('resent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts_before', sa.Integer(), nullable=False),
    sa.Column('attempted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('duration_ms', sa.Integer(), nullable=True),
    sa.Column('status_code', sa.SmallInteger(), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('attempts >= 0', name=op.f('ck_delivery_attempts')),
    sa.ForeignKeyConstraint(['call_event_id'], ['call_event.id'], name=op.f('fk_delivery_call_event_id_call_event'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_delivery_pbx_id_pbx'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delivery'))
    )
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.create_index('ix_delivery_call_event_id', ['call_event_id'], unique=False)
        batch_op.create_index('ix_delivery_due', ['is_retry', 'origin_id', 'due_at', 'id'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.create_index('ix_delivery_expires', ['expires_at'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.create_index('ix_delivery_hook_id_id', ['hook_id', 'id'], unique=False)
        batch_op.create_index('ix_delivery_hook_open', ['hook_id', 'id'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.create_index('ix_delivery_ordering_key', ['ordering_key', 'happened_at', 'id'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.create_index('ix_delivery_origin_id_id', ['origin_id', 'id'], unique=False)
        batch_op.create_index('ix_delivery_pbx_cancelled', ['pbx_id', 'id'], unique=False, sqlite_where=sa.text("state = 'cancelled'"), postgresql_where=sa.text("state = 'cancelled'"))
        batch_op.create_index('ix_delivery_pbx_failed', ['pbx_id', 'id'], unique=False, sqlite_where=sa.text("state = 'failed'"), postgresql_where=sa.text("state = 'failed'"))
        batch_op.create_index('ix_delivery_pbx_id_call_id_id', ['pbx_id', 'call_id', 'id'], unique=False)
        batch_op.create_index('ix_delivery_pbx_id_event_type_id', ['pbx_id', 'event_type', 'id'], unique=False)
        batch_op.create_index('ix_delivery_pbx_id_extension_id', ['pbx_id', 'extension', 'id'], unique=False)
        batch_op.create_index('ix_delivery_pbx_id_id', ['pbx_id', 'id'], unique=False)
        batch_op.create_index('ix_delivery_pbx_open', ['pbx_id', 'id'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))

    op.create_table('hook',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('event_id', sa.String(length=30), nullable=False),
    sa.Column('pbx_id', sa.Integer(), nullable=False),
    sa.Column('extension_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('event_type', sa.SmallInteger(), nullable=False),
    sa.Column('method', sa.String(length=8), nullable=False),
    sa.Column('url', sa.String(length=2000), nullable=False),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.Column('note', sa.String(length=500), nullable=False),
    sa.Column('origin_id', sa.Integer(), nullable=False),
    sa.Column('give_up_seconds', sa.Integer(), nullable=False),
    sa.Column('in_order', sa.Boolean(), nullable=False),
    sa.Column('body_format', sa.String(length=8), nullable=False),
    sa.Column('parameters', sa.String(length=8), nullable=False),
    sa.Column('auth', sa.String(length=8), nullable=False),
    sa.Column('auth_secret', sa.Text(), nullable=False),
    sa.Column('custom_headers', sa.Text(), nullable=False),
    sa.Column('signing_secret', sa.Text(), nullable=False),
    sa.Column('previous_signing_secret', sa.Text(), nullable=False),
    sa.Column('previous_secret_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True),
    sa.Column('suspended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('suspended_reason', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('modified_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['extension_id'], ['extension.id'], name=op.f('fk_hook_extension_id_extension'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_hook_pbx_id_pbx'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_hook')),
    sa.UniqueConstraint('event_id', name=op.f('uq_hook_event_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('hook', schema=None) as batch_op:
        batch_op.create_index('ix_hook_extension_id', ['extension_id'], unique=False)
        batch_op.create_index('ix_hook_failing', ['failing_since'], unique=False, sqlite_where=sa.text('failing_since IS NOT NULL'), postgresql_where=sa.text('failing_since IS NOT NULL'))
        batch_op.create_index('ix_hook_origin_id', ['origin_id'], unique=False)
        batch_op.create_index('ix_hook_pbx_id_event_type', ['pbx_id', 'event_type'], unique=False)
        batch_op.create_index('ix_hook_suspended', ['pbx_id', 'suspended_at'], unique=False, sqlite_where=sa.text('suspended_at IS NOT NULL'), postgresql_where=sa.text('suspended_at IS NOT NULL'))

    op.create_table('attempt',
    sa.Column('delivery_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('duration_ms', sa.Integer(), nullable=False),
    sa.Column('status_code', sa.SmallInteger(), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('method', sa.String(length=8), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('request_headers', sa.JSON(), nullable=False),
    sa.Column('request_body', sa.Text(), nullable=False),
    sa.Column('response_headers', sa.JSON(), nullable=False),
    sa.Column('response_body', sa.Text(), nullable=False),
    sa.Column('response_truncated', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['delivery_id'], ['delivery.id'], name=op.f('fk_attempt_delivery_id_delivery'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('delivery_id', 'number', name=op.f('pk_attempt'))
    )


def downgrade():
    op.drop_table('attempt')
    with op.batch_alter_table('hook', schema=None) as batch_op:
        batch_op.drop_index('ix_hook_suspended', sqlite_where=sa.text('suspended_at IS NOT NULL'), postgresql_where=sa.text('suspended_at IS NOT NULL'))
        batch_op.drop_index('ix_hook_pbx_id_event_type')
        batch_op.drop_index('ix_hook_origin_id')
        batch_op.drop_index('ix_hook_failing', sqlite_where=sa.text('failing_since IS NOT NULL'), postgresql_where=sa.text('failing_since IS NOT NULL'))
        batch_op.drop_index('ix_hook_extension_id')

    op.drop_table('hook')
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.drop_index('ix_delivery_pbx_open', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.drop_index('ix_delivery_pbx_id_id')
        batch_op.drop_index('ix_delivery_pbx_id_extension_id')
        batch_op.drop_index('ix_delivery_pbx_id_event_type_id')
        batch_op.drop_index('ix_delivery_pbx_id_call_id_id')
        batch_op.drop_index('ix_delivery_pbx_failed', sqlite_where=sa.text("state = 'failed'"), postgresql_where=sa.text("state = 'failed'"))
        batch_op.drop_index('ix_delivery_pbx_cancelled', sqlite_where=sa.text("state = 'cancelled'"), postgresql_where=sa.text("state = 'cancelled'"))
        batch_op.drop_index('ix_delivery_origin_id_id')
        batch_op.drop_index('ix_delivery_ordering_key', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.drop_index('ix_delivery_hook_open', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.drop_index('ix_delivery_hook_id_id')
        batch_op.drop_index('ix_delivery_expires', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.drop_index('ix_delivery_due', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.drop_index('ix_delivery_call_event_id')

    op.drop_table('delivery')
    op.drop_table('seen_extension')
    with op.batch_alter_table('ingest_token', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_ingest_token_pbx_id'))

    op.drop_table('ingest_token')
    op.drop_table('extension')
    with op.batch_alter_table('discarded_report', schema=None) as batch_op:
        batch_op.drop_index('ix_discarded_report_pbx_id_id')

    op.drop_table('discarded_report')
    op.drop_table('connector')
    with op.batch_alter_table('call_event', schema=None) as batch_op:
        batch_op.drop_index('ix_call_event_pbx_id_received_at')
        batch_op.drop_index('ix_call_event_pbx_id_call_id')

    op.drop_table('call_event')
    op.drop_table('worker_process')
    op.drop_table('user_account')
    op.drop_table('sign_in_failure')
    op.drop_table('pbx')
    op.drop_table('origin')
    with op.batch_alter_table('notification', schema=None) as batch_op:
        batch_op.drop_index('ix_notification_due', sqlite_where=sa.text('sent_at IS NULL'), postgresql_where=sa.text('sent_at IS NULL'))

    op.drop_table('notification')
    op.drop_table('minute_statistics')
