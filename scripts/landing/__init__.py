"""The landing zone: the object store, its keys, and reading the JSON arrays that lie there."""
