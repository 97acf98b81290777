"""Edges: which layers the output of a layer reaches."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("model", sa.Column("edges", sa.Integer(), nullable=True))
    op.create_table(
        "edge",
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("from_layer", sa.Integer(), nullable=True),
        sa.Column("to_layer", sa.Integer(), nullable=True),
        sa.Column("via", sa.JSON(), nullable=False),
        sa.Column("channel_offset", sa.Integer(), nullable=True),
        sa.Column("tensor", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("model_id", "position"),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
