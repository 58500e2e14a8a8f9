"""The videos of the benchmarks, read from the official layouts: one module per benchmark; `benchmark` opens them by name."""
