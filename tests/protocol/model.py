"""The protocol of one day's ledger, small enough to try every interleaving of its steps.

Two loaders, a producer that replaces the object and then reverts it, dbt with the publish, and the
clean-up move in any order, and any of them can be killed. `explore` visits every state that they
can reach, and checks in each what the design promises: readers see one version whole, never an
older one than before, and what a build reads stays. From every state the work can be finished.

Each step names the code that it stands for. A step of this model is one commit, one request or one
wait of that code: no other process sees what happens in between.
"""

from collections.abc import Iterator
from typing import NamedTuple

CONTENTS = {1: "A", 2: "B", 3: "A"}  # of the object's versions
_LAST = max(CONTENTS)

RULES = {
    "lock": "one loader at a time claims the day",
    "compare": "a claim fails if another load became current since the first look",
    "look again": "a claim fails if the object was replaced since it was opened",
    "pins": "the clean-up keeps the rows of pinned loads",
    "dbt lock": "no build begins during a clean-up",
}
IMPLEMENTED_BY = {
    "put": "scripts.landing.store:Store.put",
    "look": "scripts.warehouse.ledger:current_load",
    "open": "scripts.landing.store:Store.open",
    "copy": "scripts.load.attempt:Attempt._copy",
    "confirm": "scripts.load.attempt:Attempt._confirm",
    "lock": "scripts.warehouse.ledger:lock_day",
    "claim": "scripts.load.attempt:Attempt._claim",
    "start again": "scripts.load.load:load",
    "make current": "scripts.warehouse.ledger:make_current",
    "refresh listing": "scripts.warehouse.ledger:refresh_listing",
    "pin": "dbt/models/intermediate/pinned_loads.sql",
    "build": "dbt/macros/pinned_rows.sql",
    "publish": "dbt/macros/publish.sql",
    "read pins": "scripts.load.superseded:pinned_loads",
    "clean up": "scripts.load.superseded:clean_up",
}


class Load(NamedTuple):
    """A committed load: the version that brought its rows, and the last one with that content."""

    version: int
    listed: int
    has_rows: bool = True


class Loader(NamedTuple):
    """A loader, and what it remembers. `at_lock` is the object's version when it got the lock."""

    step: str = "idle"
    seen: int | None = None
    opened: int = 0
    at_lock: int = 0

    @property
    def holds_lock(self) -> bool:
        return self.step.endswith(("locked", "claimed"))


class State(NamedTuple):
    """Everything that outlives a step. A load's number is its place in `loads`."""

    version: int = 0
    loads: tuple[Load, ...] = ()
    current: frozenset[int] = frozenset()
    loaders: tuple[Loader, ...] = (Loader(), Loader())
    dbt: str = "idle"
    pinned: int | None = None
    shown: int | None = None
    cleaner: str = "idle"
    kept: int | None = None
    kills: int = 2


class ViolationError(Exception):
    """A state breaks a promise."""


Step = tuple[str, State]


def steps(state: State, without: str = "") -> Iterator[Step]:
    """Yield every step that can come next, with the state after it.

    `without` is a rule to leave out: then some state breaks a promise.
    """
    if state.version < _LAST:
        yield "put", state._replace(version=state.version + 1)
    for number in range(len(state.loaders)):
        yield from _loader_steps(state, number, without)
    yield from _dbt_steps(state, without)
    yield from _cleaner_steps(state, without)


def _loader_steps(state: State, number: int, without: str) -> Iterator[Step]:
    me = state.loaders[number]
    if me.holds_lock:
        yield from _steps_under_lock(state, number, without)
    else:
        yield from _steps_without_lock(state, number, without)
    if me.step != "idle" and state.kills:
        yield "kill", _put(state, number, Loader())._replace(kills=state.kills - 1)


def _steps_without_lock(state: State, number: int, without: str) -> Iterator[Step]:
    me = state.loaders[number]
    if me.step == "idle" and state.version:
        seen = min(state.current, default=None)
        yield "look", _put(state, number, Loader("looked", seen))
    elif me.step == "looked":
        yield "open", _put(state, number, Loader("opened", me.seen, state.version))
    elif me.step == "opened":
        is_known = me.seen is not None and _content(state, me.seen) == CONTENTS[me.opened]
        name, step = ("confirm", "same") if is_known else ("copy", "copied")
        yield name, _put(state, number, me._replace(step=step))
    elif me.step in {"same", "copied"}:
        is_free = not any(loader.holds_lock for loader in state.loaders)
        if is_free or without == "lock":
            locked = me._replace(step=f"{me.step}, locked", at_lock=state.version)
            yield "lock", _put(state, number, locked)


def _steps_under_lock(state: State, number: int, without: str) -> Iterator[Step]:
    me = state.loaders[number]
    released = _put(state, number, Loader())
    if me.step.endswith("locked"):
        is_replaced = state.current != _as_set(me.seen) and without != "compare"
        if is_replaced or (state.version != me.opened and without != "look again"):
            yield "start again", released
        else:
            claimed = me._replace(step=me.step.replace("locked", "claimed"))
            yield "claim", _put(state, number, claimed)
    elif me.step == "copied, claimed":
        if me.opened < me.at_lock:
            raise ViolationError("a load was outdated before it had the lock")
        current = state.current - _as_set(me.seen) | {len(state.loads)}
        loads = (*state.loads, Load(me.opened, me.opened))
        yield "make current", released._replace(loads=loads, current=current)
    elif me.seen is not None:
        load = state.loads[me.seen]._replace(listed=me.opened)
        yield "refresh listing", released._replace(loads=_with(state.loads, me.seen, load))


def _dbt_steps(state: State, without: str) -> Iterator[Step]:
    can_begin = state.cleaner == "idle" or without == "dbt lock"
    if state.dbt == "idle" and state.current and can_begin:
        yield "pin", state._replace(dbt="pinned", pinned=min(state.current))
    if state.pinned is not None and (state.dbt == "pinned" or (state.dbt == "idle" and can_begin)):
        yield "build", state._replace(dbt="built")  # also a task that was cleared
    elif state.dbt == "built" and state.pinned is not None:
        yield "publish", state._replace(dbt="idle", shown=state.pinned)
    if state.dbt != "idle" and state.kills:
        yield "kill", state._replace(dbt="idle", kills=state.kills - 1)


def _cleaner_steps(state: State, without: str) -> Iterator[Step]:
    if state.cleaner == "idle" and (state.dbt == "idle" or without == "dbt lock"):
        kept = None if without == "pins" else state.pinned
        yield "read pins", state._replace(cleaner="cleaning", kept=kept)
    elif state.cleaner == "cleaning":
        needed = state.current | _as_set(state.kept)
        loads = tuple(
            load if number in needed else load._replace(has_rows=False)
            for number, load in enumerate(state.loads)
        )
        yield "clean up", state._replace(cleaner="idle", kept=None, loads=loads)
        if state.kills:
            yield "kill", state._replace(cleaner="idle", kept=None, kills=state.kills - 1)


def check(before: State, after: State) -> None:
    """Raise ViolationError if the state after a step breaks a promise."""
    if len(after.current) > 1:
        raise ViolationError("two loads of a day are current")
    if not all(after.loads[number].has_rows for number in after.current):
        raise ViolationError("readers see a day without its rows")
    if after.dbt == "built" and after.pinned is not None and not after.loads[after.pinned].has_rows:
        raise ViolationError("a build reads rows that the clean-up deleted")
    if _listed(after) < _listed(before):
        raise ViolationError("an older version replaced a newer one")
    if (after.shown or 0) < (before.shown or 0):
        raise ViolationError("the marts went back to an older load")


def is_finished(state: State) -> bool:
    """Return whether nothing is left to do: the last version is loaded, published and alone."""
    return (
        state.version == _LAST == _listed(state)
        and _as_set(state.shown) == state.current
        and state.dbt == state.cleaner == "idle"
        and all(loader.step == "idle" for loader in state.loaders)
        and _with_rows(state) == state.current
    )


def explore(without: str = "") -> dict[State, set[State]]:
    """Visit every state. Return the states before each state, by steps other than kills.

    Raises:
        ViolationError: a state breaks a promise.
    """
    first = State()
    before: dict[State, set[State]] = {first: set()}
    waiting = [first]
    while waiting:
        state = waiting.pop()
        for name, after in steps(state, without):
            check(state, after)
            if after not in before:
                before[after] = set()
                waiting.append(after)
            if name != "kill":
                before[after].add(state)
    return before


def dead_ends(before: dict[State, set[State]]) -> set[State]:
    """Return the states from which no steps lead to a finished one."""
    waiting = [state for state in before if is_finished(state)]
    alive = set(waiting)
    while waiting:
        for state in before[waiting.pop()] - alive:
            alive.add(state)
            waiting.append(state)
    return before.keys() - alive


def _content(state: State, number: int) -> str:
    return CONTENTS[state.loads[number].version]


def _listed(state: State) -> int:
    return max((state.loads[number].listed for number in state.current), default=0)


def _with_rows(state: State) -> frozenset[int]:
    return frozenset(number for number, load in enumerate(state.loads) if load.has_rows)


def _as_set(number: int | None) -> frozenset[int]:
    return frozenset() if number is None else frozenset({number})


def _with(loads: tuple[Load, ...], number: int, load: Load) -> tuple[Load, ...]:
    return (*loads[:number], load, *loads[number + 1 :])


def _put(state: State, number: int, loader: Loader) -> State:
    loaders = (*state.loaders[:number], loader, *state.loaders[number + 1 :])
    return state._replace(loaders=loaders)
