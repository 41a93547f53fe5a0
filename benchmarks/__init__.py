"""The benchmarks of the project. Invariant: every figure in docs/benchmarks.md comes from here."""
