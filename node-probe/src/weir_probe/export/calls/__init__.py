"""From calls that are done (streams/calls.py) to series, call records, totals and the live view."""
