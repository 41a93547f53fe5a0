"""GDPR erasure: remove a record or a day from the landing zone and from the warehouse."""
