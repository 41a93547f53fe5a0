"""Reconcile: compare the landing zone with the ledger, and report what is pending or late."""
