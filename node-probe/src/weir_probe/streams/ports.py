# cython: annotation_typing=False
"""Which observations name a server port: the `ports` map of the kernel, for the engine of user space."""

import numpy as np

from weir_probe.wire.protocols import WITH_PORTS

_PORTS = 0x10000


class PortMasks:
    """(protocol, port) → mask of observations. Looked up by one thread while another sets it, a word at a time."""

    def __init__(self) -> None:
        # untouched pages of zeros take no memory
        self.masks = np.zeros(len(WITH_PORTS) * _PORTS, np.uint64).data
        self.row = np.full(256, -1, np.int32).data
        for row, protocol in enumerate(WITH_PORTS):
            self.row[protocol] = row * _PORTS

    def set(self, protocol: int, port: int, mask: int) -> None:
        """Let the observations in `mask` name this port. ValueError where the protocol has no ports, or no such one."""
        if not 0 <= protocol <= 255 or self.row[protocol] < 0:
            raise ValueError(f"protocol {protocol} has no ports: choose one of {', '.join(map(str, WITH_PORTS))}")
        if not 0 <= port < _PORTS:
            raise ValueError(f"port {port} is not within 0..65535")
        self.masks[self.row[protocol] + port] = mask

    def clear(self) -> None:
        """Let no observation name any port."""
        for i in range(len(self.masks)):
            if self.masks[i]:
                self.masks[i] = 0

    def get(self, protocol: int, port: int) -> int:
        """The observations that name this port; 0 for a protocol without ports."""
        if protocol > 255 or port >= _PORTS or self.row[protocol] < 0:
            return 0
        return self.masks[self.row[protocol] + port]
