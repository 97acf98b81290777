"""Observations: how filters respond to the pictures of a user."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

STATISTICS = (
    *("mean", "std", "max", "min", "active_share", "fires_share", "p50", "p99", "p999"),
    *("top_class", "top_class_share"),
)


def upgrade() -> None:
    op.create_table(
        "observation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.Column("pictures_sha256", sa.Text(), nullable=True),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("started", sa.Text(), nullable=False),
        sa.Column("finished", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        _belongs_to("model"),
        sa.UniqueConstraint("model_id", "name", name="uq_observation_name"),
    )
    op.create_table(
        "image",
        sa.Column("observation_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("perceptual_hash", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("label", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("observation_id", "position"),
        _belongs_to("observation"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "response",
        sa.Column("layer_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("observation_id", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Text() if name == "top_class" else sa.REAL(), nullable=True)
            for name in STATISTICS
        ),
        sa.PrimaryKeyConstraint("layer_id", "position", "observation_id"),
        _belongs_to("layer"),
        _belongs_to("observation"),
        sqlite_with_rowid=False,
    )
    places = ("z", "y", "x", "box_top", "box_left", "box_bottom", "box_right", "at_border")
    op.create_table(
        "exemplar",
        sa.Column("layer_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("observation_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("value", sa.REAL(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=True) for name in places),
        sa.PrimaryKeyConstraint("layer_id", "position", "observation_id", "rank"),
        _belongs_to("layer"),
        _belongs_to("observation"),
        sqlite_with_rowid=False,
    )


def _belongs_to(table: str) -> Any:
    return sa.ForeignKeyConstraint([f"{table}_id"], [f"{table}.id"], ondelete="CASCADE")
