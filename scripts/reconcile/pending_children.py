"""Days whose children have to be fetched, computed from state. Invariant: an event decides nothing.

A day is pending if its parents have landed and its children have not, or those of other parents
have. The object of the children says in its metadata which parents' object they belong to. It is
only read where the listing does not show that it is clearly the younger one, because extraction
puts it only if the parents are still the same.
"""

from datetime import date, timedelta
from itertools import islice

from scripts.landing.keys import parse_raw_key, raw_key, raw_prefix, today
from scripts.landing.store import ObjectInfo, Store
from scripts.settings import RunSettings
from sources import Source
from sources.declaration import Parent

# From the last look at the parents to the time that S3 notes for the object of the children.
_MARGIN = timedelta(seconds=10)


def pending_children(
    source: Source, parent: Parent, store: Store, settings: RunSettings
) -> list[date]:
    """Return the pending days of a source with a parent, the oldest first.

    At most `settings.batch_objects` of the last `settings.lookback_days`. Raises UnavailableError.
    """
    since = today() - timedelta(days=settings.lookback_days)
    parents, children = (_listed(store, one, since) for one in (parent.source, source))
    pending = (
        day for day in sorted(parents) if _is_pending(store, parents[day], children.get(day))
    )
    return list(islice(pending, settings.batch_objects))


def _is_pending(store: Store, parents: ObjectInfo, children: ObjectInfo | None) -> bool:
    if children is None:
        return True
    if children.last_modified > parents.last_modified + _MARGIN:
        return False
    asked, present = store.head(children.key), store.head(parents.key)
    return present is not None and (asked is None or asked.parent_etag != present.landed_etag)


def _listed(store: Store, source: Source, since: date) -> dict[date, ObjectInfo]:
    """Return the landed objects of a source from a day on."""
    before = raw_key(source.name, since - timedelta(days=1))
    found = store.list(raw_prefix(source.name), start_after=before)
    return {parsed[1]: info for info in found if (parsed := parse_raw_key(info.key))}
