"""The raw tables, derived from the contracts. Invariant: a table fits its contract, or is not used.

``raw.<source>_rows`` keeps the rows of every load: a column for each field of the contract, and in
``extra`` the fields outside it. The view ``raw.<source>`` shows the current loads. The view
``ops.record_keys`` shows the key of every row of every source, as JSON.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from psycopg import Connection, DataError, IntegrityError, sql

from scripts.errors import ConfigurationError
from sources import SOURCES, Source
from sources.declaration.columns import Column

_EPOCH_MICROSECONDS = "(extract(epoch from {}) * 1000000)::bigint"  # the same in every time zone
# A table whose comment says so is not complete. The dbt macro `reasons_not_whole` reads it too.
_REBUILDING = "rebuilding"
_RECREATING = "recreating"  # only a lakehouse has this state between its files and its ledger
_IS_GRANTED = """
    select has_table_privilege('loader', %s, 'maintain')
        and has_table_privilege('transformer', %s, 'select')
"""
_FIRST = ("load_id", "position")
_NOT_NULL = "not null"
_PLACES = """
    select attname, coalesce(col_description(attrelid, attnum), to_json(array[attname])::text)
    from pg_attribute
    where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
"""
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


def value_at(source: Source, parts: tuple[str, ...]) -> sql.Composed:
    """Return an expression for the text of a field of a record, or of a field inside it."""
    for column in source.columns:
        if column.parts == parts[:1]:
            of_column = sql.SQL("to_jsonb({}) #>> {}")
            return of_column.format(sql.Identifier(column.name), list(parts[1:]))
    return sql.SQL("extra #>> {}").format(list(parts))


def check_raw(connection: Connection, source: Source) -> None:
    """Raise ConfigurationError, with the command that helps, if a table does not fit.

    Until the transaction ends, nobody else can change it.
    """
    present, wanted = _columns(connection, source), _wanted(source)
    if present == wanted:
        hold = sql.SQL("lock table {} in row exclusive mode")
        connection.execute(hold.format(rows_table(source)))
        present = _columns(connection, source)
    if present != wanted:
        raise ConfigurationError(f"{_difference(source, present)}: run `python -m scripts.migrate`")


def ensure_raw(connection: Connection, source: Source) -> None:
    """Create the table and the view of a source, or adapt them to a changed contract.

    Args:
        connection: in a transaction, as the owner of the warehouse.
        source: the declaration that the table must fit.

    Raises:
        ConfigurationError: the rows that are there do not fit into the changed columns.
    """
    present = _columns(connection, source)
    if present and present != _wanted(source):
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
        if source.key_columns and _columns(connection, source) == _wanted(source)
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
    return bool(row and row[0]) and _columns(connection, source) == _wanted(source)


def mark_recreating(connection: Connection, source: Source) -> None:
    """Let no build begin. `is_incomplete` stays false, so the table will be recreated."""
    if _columns(connection, source):
        _mark(connection, source, _RECREATING)


def mark_complete(connection: Connection, source: Source) -> None:
    """Let the marts be published from the table again."""
    _mark(connection, source, None)


def _mark(connection: Connection, source: Source, comment: str | None) -> None:
    statement = sql.SQL("comment on table {} is {}")
    connection.execute(statement.format(rows_table(source), sql.Literal(comment)))


def _wanted(source: Source) -> dict[str, str]:
    """Return the columns that the table must have with their types, without the first two."""
    types = {column.name: column.type for column in source.columns}
    keys = {name: f"{type_} {_NOT_NULL}" for name, type_ in source.key_columns.items()}
    return {**types, **keys, "extra": "jsonb"}


def _columns(connection: Connection, source: Source) -> dict[str, str]:
    """Return the columns that the table has, or nothing if it does not exist."""
    rows = connection.execute(
        """
        select attname,
            format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end
        from pg_attribute
        where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
            and attname <> all(%s)
        """,
        [rows_table(source).as_string(connection), list(_FIRST)],
    )
    return dict(rows.fetchall())


def _adapt(connection: Connection, source: Source, present: Mapping[str, str]) -> None:
    """Fit the columns. What leaves them goes to `extra`, what joins them comes from there.

    Views on the table are dropped, and made again later.
    """
    wanted = _wanted(source)
    connection.execute("set local lock_timeout = '10s'")
    connection.execute("set local timezone = 'UTC'")  # a moment without a zone is taken for UTC
    for (view,) in connection.execute(_DEPENDENT_VIEWS, [_name(connection, source)]).fetchall():
        connection.execute(sql.SQL("drop view if exists {} cascade").format(sql.SQL(view)))
    connection.execute(
        "update ops.rejects set record_key = null from ops.loads"
        " where loads.load_id = rejects.load_id and loads.source = %s",
        [source.name],
    )
    if "extra" not in present:  # of a release that kept whole records beside their keys
        _alter(connection, source, "rename payload to extra")
        _alter(connection, source, "alter extra drop not null")
        leaving = present.keys() - {"payload"}
        present = dict.fromkeys(leaving, "")
    else:
        leaving = {n for n, type_ in present.items() if _type(wanted.get(n)) != _type(type_)}
        _move_to_extra(connection, source, leaving)
    for name in leaving:
        _alter(connection, source, "drop column {}", name)
    staying = present.keys() - leaving
    _take_from_extra(connection, source, [c for c in source.columns if c.name not in staying])
    for column in source.columns:
        change = "set" if column.name in source.key_columns else "drop"
        _alter(connection, source, f"alter {{}} {change} not null", column.name)


def _name(connection: Connection, source: Source) -> str:
    return rows_table(source).as_string(connection)


def _type(described: str | None) -> str | None:
    return described and described.removesuffix(f" {_NOT_NULL}")


def _alter(connection: Connection, source: Source, change: str, *names: str) -> None:
    """Execute ``alter table``. `change` is a constant with a place for each identifier."""
    statement = sql.SQL("alter table {} " + change)
    connection.execute(statement.format(rows_table(source), *map(sql.Identifier, names)))


def _move_to_extra(connection: Connection, source: Source, names: Iterable[str]) -> None:
    """Keep the values of these columns in `extra`, under the names that records have for them."""
    places: dict[str, str] = dict(
        connection.execute(_PLACES, [_name(connection, source)]).fetchall()
    )
    for name in names:
        parts = json.loads(places[name])
        if len(parts) > 1:  # of a key, inside another column
            continue
        move = sql.SQL(
            "update {} set extra = coalesce(extra, '{{}}') || jsonb_build_object({}, {})"
            " where {} is not null"
        )
        column = sql.Identifier(name)
        connection.execute(move.format(rows_table(source), parts[0], column, column))


def _take_from_extra(connection: Connection, source: Source, columns: Sequence[Column]) -> None:
    """Add these columns, with the values that the rows have for them in `extra`."""
    table, outer = rows_table(source), [column for column in columns if len(column.parts) == 1]
    for column in columns:
        add = sql.SQL("alter table {} add column {} {}")
        connection.execute(add.format(table, sql.Identifier(column.name), sql.SQL(column.type)))
    if outer:
        take = sql.SQL(
            "update {} set {}, extra = nullif(extra - %(names)s::text[], '{{}}')"
            " where extra ?| %(names)s::text[]"
        )
        values = sql.SQL(", ").join(map(_from_extra, outer))
        names = [column.parts[0] for column in outer]
        connection.execute(take.format(table, values), {"names": names})
    for column in columns:
        if column not in outer:
            fill = sql.SQL("update {} set {} = ({})::{}").format(
                table,
                sql.Identifier(column.name),
                value_at(source, column.parts),
                sql.SQL(column.type),
            )
            connection.execute(fill)
    _comment(connection, source, columns)


def _from_extra(column: Column) -> sql.Composed:
    value = "nullif(extra -> {}, 'null')" if column.type == "jsonb" else "(extra ->> {})::{}"
    return sql.SQL("{} = {}").format(
        sql.Identifier(column.name),
        sql.SQL(value).format(column.parts[0], sql.SQL(column.type)),
    )


def _comment(connection: Connection, source: Source, columns: Iterable[Column]) -> None:
    """Write down where in a record the value of a column stands: its name may differ."""
    for column in columns:
        comment = sql.SQL("comment on column {}.{} is {}")
        place = sql.Literal(json.dumps(column.parts))
        name = sql.Identifier(column.name)
        connection.execute(comment.format(rows_table(source), name, place))


def _create(connection: Connection, source: Source) -> None:
    if not _columns(connection, source):
        columns = [
            sql.SQL("{} {},").format(sql.Identifier(name), sql.SQL(type_))
            for name, type_ in _wanted(source).items()
        ]
        connection.execute(
            sql.SQL(
                "create table {} (load_id bigint not null, position bigint not null, {}"
                " primary key (load_id, position))"
            ).format(rows_table(source), sql.SQL(" ").join(columns))
        )
        _comment(connection, source, source.columns)
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
                sql.Identifier("raw_rows", name) for name in (*_FIRST, *_wanted(source))
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


def _difference(source: Source, present: Mapping[str, str]) -> str:
    """Say which columns differ."""
    wanted = _wanted(source)
    names = [n for n in {**present, **wanted} if present.get(n) != wanted.get(n)]

    def listed(columns: Mapping[str, str]) -> str:
        return ", ".join(f"{name} {columns[name]}" for name in names if name in columns) or "none"

    return (
        f"table raw.{source.name}_rows has ({listed(present)}), "
        f"the contract of {source.name} expects ({listed(wanted)})"
    )
