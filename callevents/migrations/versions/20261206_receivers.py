"""receivers, groups, templates, conditions, requests once per call

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op


revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None


def text(name, length, default=''):
    return sa.Column(name, sa.String(length=length), server_default=default, nullable=False)


def long_text(name):
    return sa.Column(name, sa.Text(), server_default='', nullable=False)


def moment(name, nullable=True):
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def reference(table, column, target, kind=sa.Integer):
    return (
        sa.Column(column, kind() if kind is sa.Integer else kind, nullable=False),
        sa.ForeignKeyConstraint(
            [column], [f'{target}.id'], name=op.f(f'fk_{table}_{column}_{target}'), ondelete='CASCADE'
        ),
    )


def new_columns():
    return {
        'hook': (
            sa.Column('receiver_id', sa.Integer(), nullable=True),
            text('recipe_request', 64),
            text('content_type', 100),
            long_text('body_template'),
            long_text('value_maps'),
            text('scope', 16, 'extension'),
            sa.Column('once_id', sa.Integer(), nullable=True),
            long_text('conditions'),
            long_text('answers'),
            text('missing_answer', 8, 'fail'),
        ),
        'call_event': (
            text('queue', 255),
            moment('started_at'),
            moment('answered_at'),
            text('answered_by', 255),
        ),
        'delivery': (long_text('call_values'),),
        'pbx': (
            text('country', 2),
            text('outside_prefix', 8),
            text('trunk_prefix', 8),
            text('internal_lengths', 50),
        ),
        'minute_statistics': (
            sa.Column('skipped', sa.Integer(), server_default='0', nullable=False),
        ),
    }


def upgrade():
    for table, columns in new_columns().items():
        for column in columns:
            op.add_column(table, column)
    op.create_index('ix_hook_receiver_id', 'hook', ['receiver_id'])
    is_skipped = sa.text("state = 'skipped'")
    op.create_index(
        'ix_delivery_pbx_skipped',
        'delivery',
        ['pbx_id', 'id'],
        sqlite_where=is_skipped,
        postgresql_where=is_skipped,
    )
    op.create_index(
        'ix_hook_once_per_call',
        'hook',
        ['pbx_id', 'event_type'],
        sqlite_where=sa.text("scope = 'call'"),
        postgresql_where=sa.text("scope = 'call'"),
    )
    op.create_table(
        'receiver',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('slug', sa.String(length=64), nullable=False),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.Column('pbx_id', sa.Integer(), nullable=True),
        sa.Column('recipe', sa.String(length=64), nullable=False),
        sa.Column('address', sa.String(length=2000), nullable=False),
        sa.Column('values', sa.Text(), nullable=False),
        sa.Column('auth', sa.String(length=32), nullable=False),
        sa.Column('auth_secret', sa.Text(), nullable=False),
        sa.Column('client_certificate', sa.Text(), nullable=False),
        sa.Column('client_key', sa.Text(), nullable=False),
        sa.Column('access_token', sa.Text(), nullable=False),
        moment('access_token_expires_at'),
        moment('access_token_renew_at'),
        moment('access_token_refused_at'),
        moment('renewing_until'),
        sa.Column('renewal_error', sa.Text(), nullable=False),
        moment('renewal_failed_at'),
        sa.Column('max_in_flight', sa.Integer(), nullable=True),
        sa.Column('max_per_second', sa.Float(), nullable=True),
        moment('paced_until'),
        moment('created_at', nullable=False),
        moment('modified_at', nullable=False),
        sa.ForeignKeyConstraint(['pbx_id'], ['pbx.id'], name=op.f('fk_receiver_pbx_id_pbx'), ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_receiver')),
        sa.UniqueConstraint('slug', name=op.f('uq_receiver_slug')),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f('ix_receiver_pbx_id'), 'receiver', ['pbx_id'])
    op.create_table(
        'receiver_user',
        *reference('receiver_user', 'receiver_id', 'receiver'),
        *reference('receiver_user', 'pbx_id', 'pbx'),
        sa.Column('number', sa.String(length=64), nullable=False),
        sa.Column('user', sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint('receiver_id', 'pbx_id', 'number', name=op.f('pk_receiver_user')),
    )
    op.create_index(op.f('ix_receiver_user_pbx_id'), 'receiver_user', ['pbx_id'])
    op.create_table(
        'extension_group',
        sa.Column('id', sa.Integer(), nullable=False),
        *reference('extension_group', 'pbx_id', 'pbx'),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.Column('pattern', sa.String(length=200), nullable=False),
        sa.Column('template_id', sa.Uuid(as_uuid=False), nullable=True),
        moment('created_at', nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_extension_group')),
        sa.UniqueConstraint('pbx_id', 'name', name=op.f('uq_extension_group_pbx_id_name')),
        sqlite_autoincrement=True,
    )
    op.create_table(
        'group_member',
        *reference('group_member', 'group_id', 'extension_group'),
        *reference('group_member', 'extension_id', 'extension', sa.Uuid(as_uuid=False)),
        sa.Column('is_chosen', sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint('group_id', 'extension_id', name=op.f('pk_group_member')),
    )
    op.create_index(op.f('ix_group_member_extension_id'), 'group_member', ['extension_id'])
    op.create_table(
        'bulk_change',
        sa.Column('id', sa.Uuid(as_uuid=False), nullable=False),
        sa.Column('action', sa.String(length=40), nullable=False),
        moment('made_at', nullable=False),
        sa.Column('hooks', sa.Integer(), nullable=False),
        sa.Column('places', sa.JSON(), nullable=False),
        sa.Column('content', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_bulk_change')),
    )
    op.create_index(op.f('ix_bulk_change_made_at'), 'bulk_change', ['made_at'])
    op.create_table(
        'once_per_call',
        *reference('once_per_call', 'pbx_id', 'pbx'),
        sa.Column('call_id', sa.String(length=255), nullable=False),
        sa.Column('hook_id', sa.Integer(), nullable=False),
        sa.Column('delivery_id', sa.Uuid(as_uuid=False), nullable=False),
        moment('created_at', nullable=False),
        sa.PrimaryKeyConstraint('pbx_id', 'call_id', 'hook_id', name=op.f('pk_once_per_call')),
    )
    op.create_index(op.f('ix_once_per_call_created_at'), 'once_per_call', ['created_at'])
    op.create_table(
        'call_answer',
        *reference('call_answer', 'pbx_id', 'pbx'),
        sa.Column('call_id', sa.String(length=255), nullable=False),
        sa.Column('receiver_id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=50), nullable=False),
        sa.Column('value', sa.Text(), nullable=False),
        moment('created_at', nullable=False),
        sa.PrimaryKeyConstraint('pbx_id', 'call_id', 'receiver_id', 'name', name=op.f('pk_call_answer')),
    )
    op.create_index(op.f('ix_call_answer_created_at'), 'call_answer', ['created_at'])


def downgrade():
    # The version before has neither receivers nor templates: such a hook would send something else
    # than what was configured, and without its authentication. So it is disabled, and says why.
    hook = sa.table('hook', *(sa.column(name) for name in COLUMNS_OF_HOOK))
    op.execute(
        hook.update()
        .where(
            hook.c.receiver_id.is_not(None)
            | (hook.c.body_format == 'template')
            | (hook.c.auth == 'scheme')
            | (hook.c.scope == 'call')
            | (hook.c.conditions != '')
            | hook.c.method.in_(['PUT', 'PATCH', 'DELETE'])
        )
        .values(
            active=sa.false(),
            note=sa.func.substr('Disabled by a downgrade. ' + hook.c.note, 1, 500),
            auth='none',
            auth_secret='',
        )
    )
    op.execute("UPDATE hook SET method = 'POST' WHERE method IN ('PUT', 'PATCH', 'DELETE')")
    op.execute("UPDATE delivery SET method = 'POST' WHERE method IN ('PUT', 'PATCH', 'DELETE')")
    op.execute("UPDATE attempt SET method = 'POST' WHERE method IN ('PUT', 'PATCH', 'DELETE')")
    op.execute("UPDATE hook SET body_format = 'json' WHERE body_format = 'template'")
    # What was skipped was not sent and is not going to be.
    op.execute("UPDATE delivery SET state = 'cancelled' WHERE state = 'skipped'")
    op.execute('UPDATE minute_statistics SET cancelled = cancelled + skipped')
    for name in ('call_answer', 'once_per_call', 'bulk_change', 'group_member', 'extension_group', 'receiver_user', 'receiver'):
        op.drop_table(name)
    op.drop_index('ix_delivery_pbx_skipped', table_name='delivery')
    for index in ('ix_hook_receiver_id', 'ix_hook_once_per_call'):
        op.drop_index(index, table_name='hook')
    for table, columns in new_columns().items():
        for column in columns:
            op.drop_column(table, column.name)


COLUMNS_OF_HOOK = (
    *('receiver_id', 'body_format', 'auth', 'auth_secret', 'scope', 'conditions'),
    *('method', 'active', 'note'),
)
