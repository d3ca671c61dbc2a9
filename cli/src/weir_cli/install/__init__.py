"""Weir into a cluster and out of it again, without kubectl: what is installed, and in which order."""
