"""Layers inside bodies, and batch norms after layers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("model", recreate="always") as model:
        model.add_column(sa.Column("fold_batchnorm", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("layer", recreate="always") as layer:
        layer.add_column(sa.Column("scope", sa.Text(), nullable=False, server_default=""))
        layer.add_column(sa.Column("batchnorm", sa.Text(), nullable=True))
    with op.batch_alter_table(
        "filter", recreate="always", table_kwargs={"sqlite_with_rowid": False}
    ) as filter_:
        filter_.add_column(sa.Column("batchnorm_scale", sa.REAL(), nullable=True))
        filter_.add_column(sa.Column("batchnorm_shift", sa.REAL(), nullable=True))
