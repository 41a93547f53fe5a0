"""What is measured, one job a module. Invariant: its imports are all at its top."""
