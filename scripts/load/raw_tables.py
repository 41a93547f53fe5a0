"""The raw tables, derived from the contracts. Invariant: a table fits its contract, or is not used.

``raw.<source>_rows`` keeps the rows of every load: the key fields as typed columns, the record as
jsonb. The view ``raw.<source>`` shows the current loads. The view ``ops.record_keys`` shows the key
of every row of every source, as JSON.
"""

from psycopg import Connection, DataError, IntegrityError, sql

from scripts.errors import ConfigurationError
from sources import SOURCES, Source

_EPOCH_MICROSECONDS = "(extract(epoch from {}) * 1000000)::bigint"  # the same in every time zone
# A table whose comment says so is not complete. The dbt macro `reasons_not_whole` reads it too.
_REBUILDING = "rebuilding"
_IS_GRANTED = """
    select has_table_privilege('loader', %s, 'maintain')
        and has_table_privilege('transformer', %s, 'select')
"""
_OTHERS = ("load_id", "position", "payload")
_DEPENDENT_VIEWS = """
    select distinct pg_class.oid::regclass::text
    from pg_depend
    inner join pg_rewrite on pg_rewrite.oid = pg_depend.objid
    inner join pg_class on pg_class.oid = pg_rewrite.ev_class
    where pg_depend.refobjid = %s::regclass and pg_class.relkind = 'v'
"""


def rows_table(source: Source) -> sql.Identifier:
    """Return the table that holds the rows of every load of a source."""
    return sql.Identifier("raw", f"{source.name}_rows")


def check_raw(connection: Connection, source: Source) -> None:
    """Raise ConfigurationError, with the command that helps, if a table does not fit.

    Until the transaction ends, nobody else can change it.
    """
    present = _columns(connection, source)
    if present == source.key_columns:
        hold = sql.SQL("lock table {} in row exclusive mode")
        connection.execute(hold.format(rows_table(source)))
        present = _columns(connection, source)
    if present != source.key_columns:
        raise ConfigurationError(f"{_difference(source, present)}: run `python -m scripts.migrate`")


def ensure_raw(connection: Connection, source: Source) -> None:
    """Create the table and the view of a source, or adapt them to a changed contract.

    Args:
        connection: in a transaction, as the owner of the warehouse.
        source: the declaration that the table must fit.

    Raises:
        ConfigurationError: the rows that are there have no value for the changed key.
    """
    present = _columns(connection, source)
    if present and present != source.key_columns:
        try:
            with connection.transaction():
                _adapt(connection, source, present)
        except (DataError, IntegrityError) as error:
            raise ConfigurationError(
                f"{_difference(source, present)}, and its rows cannot be converted "
                f"({error.diag.message_primary}). Load the source into a fresh table: "
                f"`python -m scripts.rebuild --source {source.name}`"
            ) from error
    _create(connection, source)


def recreate_raw(connection: Connection, source: Source) -> None:
    """Replace the table by an empty one that is marked as incomplete, in one transaction.

    `connection` is of the owner. No load of the source stays current or parked, so every object
    that has landed is pending.
    """
    with connection.transaction():
        connection.execute("set local lock_timeout = '10s'")
        connection.execute(sql.SQL("drop table if exists {} cascade").format(rows_table(source)))
        _create(connection, source)
        create_record_keys(connection)
        _mark(connection, source, _REBUILDING)
        connection.execute(
            "update ops.loads set is_current = false where source = %s and is_current",
            [source.name],
        )
        connection.execute(
            "delete from ops.loads where source = %s and state = 'parked'", [source.name]
        )


def create_record_keys(connection: Connection) -> None:
    """Create the view ``ops.record_keys`` over every source whose table fits, as the owner."""
    selects = [
        sql.SQL(
            "select load_id, position, jsonb_build_object({})::text as record_key from {}"
        ).format(sql.SQL(", ").join(_pairs(source)), rows_table(source))
        for source in SOURCES.values()
        if source.key_columns and source.key_columns == _columns(connection, source)
    ] or [
        sql.SQL(
            "select 0::bigint as load_id, 0::bigint as position, '' as record_key where false"
        ).format()
    ]
    view = sql.SQL("create or replace view ops.record_keys as {}")
    connection.execute(view.format(sql.SQL(" union all ").join(selects)))
    connection.execute("grant select on ops.record_keys to transformer")


def _pairs(source: Source) -> list[sql.Composed]:
    """Return the name and the value of each key column, for a JSON object."""
    return [
        sql.SQL("{}, {}").format(
            sql.Literal(name),
            sql.SQL(_EPOCH_MICROSECONDS if type_.startswith("timestamp") else "{}").format(
                sql.Identifier(name)
            ),
        )
        for name, type_ in source.key_columns.items()
    ]


def is_incomplete(connection: Connection, source: Source) -> bool:
    """Return whether `recreate_raw` has begun and `mark_complete` has not followed yet."""
    name = rows_table(source).as_string(connection)
    query = "select obj_description(to_regclass(%s), 'pg_class') = %s"
    row = connection.execute(query, [name, _REBUILDING]).fetchone()
    return bool(row and row[0]) and _columns(connection, source) == source.key_columns


def mark_complete(connection: Connection, source: Source) -> None:
    """Let the marts be published from the table again."""
    _mark(connection, source, None)


def _mark(connection: Connection, source: Source, comment: str | None) -> None:
    statement = sql.SQL("comment on table {} is {}")
    connection.execute(statement.format(rows_table(source), sql.Literal(comment)))


def _columns(connection: Connection, source: Source) -> dict[str, str]:
    """Return the key columns of the table with their types, or nothing if it does not exist."""
    rows = connection.execute(
        """
        select attname, format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
            and attname <> all(%s)
        """,
        [rows_table(source).as_string(connection), list(_OTHERS)],
    )
    return dict(rows.fetchall())


def _adapt(connection: Connection, source: Source, present: dict[str, str]) -> None:
    """Drop, add and convert key columns. Views on the table are dropped, and made again later."""
    table, wanted = rows_table(source), source.key_columns
    paths = {field.column: list(field.parts) for field in source.key_fields}
    connection.execute("set local lock_timeout = '10s'")
    for (view,) in connection.execute(_DEPENDENT_VIEWS, [table.as_string(connection)]).fetchall():
        connection.execute(sql.SQL("drop view if exists {} cascade").format(sql.SQL(view)))
    connection.execute(
        "update ops.rejects set record_key = null from ops.loads"
        " where loads.load_id = rejects.load_id and loads.source = %s",
        [source.name],
    )
    for name in present.keys() - wanted.keys():
        drop = sql.SQL("alter table {} drop column {}")
        connection.execute(drop.format(table, sql.Identifier(name)))
    for name, type_ in wanted.items():
        column, cast = sql.Identifier(name), sql.SQL(type_)
        if name not in present:
            add = sql.SQL("alter table {} add column {} {}")
            connection.execute(add.format(table, column, cast))
            fill = sql.SQL("update {} set {} = (payload #>> {})::{}")
            connection.execute(fill.format(table, column, sql.Literal(paths[name]), cast))
            require = sql.SQL("alter table {} alter column {} set not null")
            connection.execute(require.format(table, column))
        elif present[name] != type_:
            convert = sql.SQL("alter table {} alter column {} type {} using {}::{}")
            connection.execute(convert.format(table, column, cast, column, cast))


def _create(connection: Connection, source: Source) -> None:
    columns = source.key_columns
    typed = [
        sql.SQL("{} {} not null,").format(sql.Identifier(name), sql.SQL(type_))
        for name, type_ in columns.items()
    ]
    connection.execute(
        sql.SQL(
            """
            create table if not exists {} (
                load_id bigint not null,
                position bigint not null,
                {}
                payload jsonb not null,
                primary key (load_id, position)
            )
            """
        ).format(rows_table(source), sql.SQL(" ").join(typed))
    )
    connection.execute(
        sql.SQL(
            """
            create or replace view {} as
            select loads.day, {}, loads.loaded_at
            from {} as raw_rows
            inner join ops.loads as loads on loads.load_id = raw_rows.load_id
            where loads.is_current
            """
        ).format(
            sql.Identifier("raw", source.name),
            sql.SQL(", ").join(
                sql.Identifier("raw_rows", name)
                for name in ("load_id", "position", *columns, "payload")
            ),
            rows_table(source),
        )
    )
    _grant(connection, source)


def _grant(connection: Connection, source: Source) -> None:
    """Let loader write the rows, and loader and transformer read them."""
    table, view = rows_table(source), sql.Identifier("raw", source.name)
    names = [table.as_string(connection), view.as_string(connection)]
    if connection.execute(_IS_GRANTED, names).fetchone() == (True,):
        return  # a grant writes to the catalog, beside whoever uses the table
    write = sql.SQL("grant insert, delete, maintain on {} to loader").format(table)
    connection.execute(write)
    read = sql.SQL("grant select on {}, {} to loader, transformer").format(table, view)
    connection.execute(read)


def _difference(source: Source, present: dict[str, str]) -> str:
    def listed(columns: dict[str, str]) -> str:
        return ", ".join(f"{name} {type_}" for name, type_ in columns.items()) or "none"

    return (
        f"table raw.{source.name}_rows: its key is ({listed(present)}), "
        f"the contract of {source.name} expects ({listed(source.key_columns)})"
    )
