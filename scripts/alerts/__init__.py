"""Alerts: incidents, how they are detected, and the channels that report them."""
