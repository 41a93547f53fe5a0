"""The local stack behind `make run`: every server on loopback, without Docker."""
