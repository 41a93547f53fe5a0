"""The measured claims, runnable."""
