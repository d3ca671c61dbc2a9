# cython: annotation_typing=False
"""A zone transfer: one response in many messages, which ends with the SOA that it began with."""

from __future__ import annotations


class Transfer:
    """One at a time. AXFR (RFC 5936 §2.2) has that SOA twice; IXFR (RFC 1995 §4) tells the differences between, of
    which the last begins with it: three times. An IXFR that is one SOA says that nothing is new."""

    def __init__(self) -> None:
        #: Of the query; -1: there is none.
        self.id = -1
        self.incremental = False
        self.serial = -1
        self.records = 0
        self.closings = 0

    def begin(self, ident: int, incremental: bool) -> None:
        """A response to a query of type IXFR (`incremental`) or AXFR starts."""
        self.id = ident
        self.incremental = incremental
        self.serial = -1
        self.records = self.closings = 0

    def saw(self, serial: int) -> None:
        """A record: an SOA's serial number, or -1 for any other."""
        if self.records == 0:
            self.serial = serial
        elif self.records == 1 and (serial < 0 or serial == self.serial):
            self.incremental = False  # the zone as a whole, though differences were asked for
        self.records += 1
        if serial >= 0 and serial == self.serial:
            self.closings += 1

    def message_ends(self) -> bool:
        """Whether the response is complete with this message; then the transfer is forgotten."""
        ends = self.closings >= (3 if self.incremental else 2) or self.serial < 0
        if self.incremental and self.records == 1:
            ends = True
        if ends:
            self.id = -1
        return ends
