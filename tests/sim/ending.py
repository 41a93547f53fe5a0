"""The end of a schedule: what is left to do is done, and nothing is left over."""

from contextlib import suppress

from scripts.errors import InvalidDataError, PipelineError
from scripts.landing.keys import FIRST_DAY, raw_key
from scripts.load.raw_tables import is_incomplete
from scripts.reconcile.pending import survey_landing
from scripts.reconcile.watch import watch
from scripts.warehouse import ledger
from scripts.warehouse.connection import connect, connect_as_owner
from tests.sim import project
from tests.sim.bucket import UNREADABLE
from tests.sim.contents import CONTENTS, rows_of
from tests.sim.oracle import ViolationError, demand
from tests.sim.world import DAYS, KEYS, NOW, SETTINGS, World, owner_dsn

_COMMANDS = {"eraser", "migration", "rebuild", "withdrawal"}  # whose build may have failed
_LEFTOVER = """
    select distinct load_id from raw.posts_rows
    where load_id not in (select load_id from ops.loads where is_current)
        and load_id not in (select load_id from build.pinned_loads)
"""
_CURRENT = """
    select day, position, id, title from raw.posts order by day, position
"""


def finish(world: World) -> None:
    """Do what is left to do, without others, and check that nothing is left over."""
    try:
        _finish(world)
    except PipelineError as error:
        raise ViolationError(f"the work cannot be finished: {error}") from error
    _check_quiet(world)


def _finish(world: World) -> None:
    for key in KEYS:  # what nobody can read is written again
        latest = world.bucket.latest(key)
        if latest and latest.body == UNREADABLE:
            world.bucket.write(key, *CONTENTS["first"])
    world.declare(world.sources["posts"])  # a rebuild that had begun before used the old key
    with connect_as_owner(owner_dsn(world.warehouse)) as owner:
        is_left = is_incomplete(owner, world.sources["posts"])
    if is_left:
        with suppress(InvalidDataError):  # an object is parked
            world.rebuild("posts")
    _finish_transform(world)
    if "eraser" in world.scheduler.names:
        world.erase()
        _finish_transform(world)
        world.check_erased(world.bucket.now)


def _finish_transform(world: World) -> None:
    survey = survey_landing(world.store, world.warehouse.loader, FIRST_DAY)
    with connect(world.warehouse.loader, autocommit=True) as connection:
        for source, day in survey.deleted:
            world.oracle.may_go.add(raw_key(source, day))
            ledger.withdraw(connection, source, day)
    has_work, is_first = world.load_and_clean_up(), len(world.oracle.tested) == 1
    if survey.deleted or has_work or is_first or world.scheduler.names & _COMMANDS:
        world.build_alone()
    world.load_and_clean_up()  # deletes what the build before this one had read
    world.oracle.check()


def _check_quiet(world: World) -> None:
    """Nothing is pending or left over, and the marts show what is current."""
    state = watch(world.store, world.warehouse.loader, SETTINGS, NOW)
    demand((state.waiting, state.unpublished, state.deleted) == ([], 0, []), "work is left")
    refused, expected = set(), []
    for key, day in zip(KEYS, DAYS, strict=True):
        latest = world.bucket.latest(key)
        if latest and rows_of(latest.body or b"", latest.promise) is None:
            refused.add(f"posts/{day}")
        elif latest:
            rows = rows_of(latest.body or b"", latest.promise) or []
            expected += [(day, at, post["id"], post["title"]) for at, post in rows]
        demand(_is_current(world, key), "the latest version of an object is not current")
    demand(set(state.parked) == refused, "parked is not what the last look refused")
    found = world.monitor.execute(project.SHOWN.format("marts.fct_whole")).fetchall()
    demand(found == world.monitor.execute(_CURRENT).fetchall(), "marts do not show what is loaded")
    demand(set(expected) <= set(found), "a day is not in the marts")
    demand(world.monitor.execute(_LEFTOVER).fetchall() == [], "rows are left over")


def _is_current(world: World, key: str) -> bool:
    latest = world.bucket.latest(key)
    if latest is None or rows_of(latest.body or b"", latest.promise) is None:
        return True
    query = "select version_id from ops.loads where key = %s and is_current"
    return world.monitor.execute(query, [key]).fetchall() == [(str(latest.number),)]
