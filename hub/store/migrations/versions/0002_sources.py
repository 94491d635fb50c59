"""What was deployed is remembered with the sources it came from: their document is a blob, named here."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, column in (
        ("assignment_contents", "sources"),
        ("assignment_contents", "operation_sources"),
        ("history", "sources"),
    ):
        op.add_column(table, sa.Column(column, sa.Text(), nullable=False, server_default=""))
