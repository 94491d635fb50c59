"""Registered repositories, credential templates, host keys and certificates."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "repository_entries",
        sa.Column("id", sa.Text(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "project", "url")),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "host_trust",
        sa.Column("id", sa.Text(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "server", "subtype", "data", "marker")),
    )
