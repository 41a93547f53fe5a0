"""Extract: from an HTTP API into the landing zone."""
