"""The measured claims, runnable. Invariant: every figure in docs/benchmarks.md is made here."""
