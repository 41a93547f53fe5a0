"""The measured claims, runnable. Invariant: no figure in docs/benchmarks.md comes from elsewhere."""
