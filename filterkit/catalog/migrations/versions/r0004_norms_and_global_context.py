"""Norms after convolutions, and layers that see the whole picture through a gate or a norm."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # Both are empty in older rows: only the model has them, and `filterkit add --replace` reads it.
    op.add_column("layer", sa.Column("global_context", sa.Integer(), nullable=True))
    op.add_column("layer", sa.Column("norm", sa.Text(), nullable=True))
