"""Load generator, baselines and the runner: ``python -m benchmarks --help``."""
