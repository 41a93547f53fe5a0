"""Alembic's entry: runs the revisions on the connection of scripts.migrate."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table_schema="migrations")
with context.begin_transaction():
    context.run_migrations()
