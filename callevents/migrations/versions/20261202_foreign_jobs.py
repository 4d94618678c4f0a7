"""foreign jobs

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op


revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table('worker_process', schema=None) as batch_op:
        batch_op.add_column(sa.Column('foreign_jobs', sa.Integer(), server_default='0', nullable=False))


def downgrade():
    with op.batch_alter_table('worker_process', schema=None) as batch_op:
        batch_op.drop_column('foreign_jobs')
