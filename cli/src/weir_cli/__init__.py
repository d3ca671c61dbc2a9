"""Weir's command line. Importing it imports nothing heavy; each command brings what it needs."""
