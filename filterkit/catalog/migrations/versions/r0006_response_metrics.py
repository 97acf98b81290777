"""Response metrics of plugins."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("observation", sa.Column("plugins", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("observation", sa.Column("extra_metrics", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("response", sa.Column("extra", sa.JSON(none_as_null=True), nullable=True))
