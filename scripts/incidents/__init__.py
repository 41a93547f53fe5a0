"""Incidents: what went wrong, since when, and who has been told."""
