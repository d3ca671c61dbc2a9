"""Policies of a host: FlowObservations from files, judged and compiled by the operator's own pure functions."""
