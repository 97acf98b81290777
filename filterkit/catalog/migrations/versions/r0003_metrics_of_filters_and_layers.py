"""Metrics of filters and of whole layers."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MEASURED_BEFORE = ("mean", "std", "min", "max", "l1_norm", "l2_norm", "sparsity")
FILTER_METRICS: dict[str, sa.types.TypeEngine[Any]] = {
    "dc_share": sa.REAL(),
    "separability": sa.REAL(),
    "even_share": sa.REAL(),
    "orientation": sa.REAL(),
    "orientation_strength": sa.REAL(),
    "frequency": sa.REAL(),
    "channel_entropy": sa.REAL(),
    "opponency": sa.REAL(),
    "dead": sa.Integer(),
    "redundancy": sa.REAL(),
    "classic_type": sa.Text(),
    "classic_score": sa.REAL(),
    "classic_kernel": sa.Text(),
}
LAYER_METRICS = (
    "sparsity",
    "variance_entropy",
    "variance_entropy_normalized",
    "orthogonality",
    "stable_rank",
    "log_norm",
    "log_spectral_norm",
)


def upgrade() -> None:
    # SQLite adds columns that may be empty at the end of its rows without rewriting them.
    op.add_column("model", sa.Column("measured", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("model", sa.Column("extra_layer_metrics", sa.JSON(), nullable=False, server_default="[]"))
    for name in LAYER_METRICS:
        op.add_column("layer", sa.Column(name, sa.REAL(), nullable=True))
    op.add_column("layer", sa.Column("extra", sa.JSON(none_as_null=True), nullable=True))
    for name, kind in FILTER_METRICS.items():
        op.add_column("filter", sa.Column(name, kind, nullable=True))
    # A plugin's metric is dropped if its name is now that of a built-in column.
    named = ", ".join(f"'{name}'" for name in FILTER_METRICS)
    op.execute(
        "UPDATE model SET extra_metrics = "
        f"(SELECT json_group_array(value) FROM json_each(extra_metrics) WHERE value NOT IN ({named}))"
    )
    before = ", ".join(f"('{name}')" for name in MEASURED_BEFORE)
    op.execute(
        "UPDATE model SET measured = (SELECT json_group_array(name) FROM "
        f"(SELECT column1 AS name FROM (VALUES {before}) "
        "UNION ALL SELECT value FROM json_each(extra_metrics)))"
    )
    op.create_index(
        "ix_model_extra",
        "model",
        ["extra_metrics", "extra_layer_metrics"],
        sqlite_where=sa.text("extra_metrics <> '[]' OR extra_layer_metrics <> '[]'"),
    )
    op.create_index(
        "ix_filter_classic_type", "filter", ["classic_type", sa.text("orientation_strength DESC")]
    )
