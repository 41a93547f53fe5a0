"""Declare sources with help: look at an API before anything lands."""
