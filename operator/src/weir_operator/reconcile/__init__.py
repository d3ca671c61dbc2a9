"""Decides: pure functions from what the cluster holds to plans, status and Events. No I/O, no clock of its own."""
