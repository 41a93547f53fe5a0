"""The measured jobs, one per module. Invariant: all imports are at the top of the module."""
