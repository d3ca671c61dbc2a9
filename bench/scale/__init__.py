"""What thousands of nodes cost: a real API server and a real operator, objects made in bulk, and probes that are not.

`PYTHONPATH=tests:bench:. python -m scale --nodes 1000` (or `make bench-scale NODES=1000`); figures: docs/scale.md.
"""
