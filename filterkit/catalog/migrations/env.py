"""How Alembic runs here: on the connection that `upgrade` passes, in its transaction."""

from alembic import context

from filterkit.catalog.schema import metadata, version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=version.name,
    transactional_ddl=True,  # true of SQLite once the driver no longer begins transactions itself
    render_as_batch=True,  # SQLite alters a table by recreating it
)
with context.begin_transaction():
    context.run_migrations()
