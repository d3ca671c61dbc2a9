"""How long ago each probe was heard, by this process's clock: nodes' clocks differ, so their times are not compared."""

from datetime import datetime, timedelta


class Heartbeats:
    """Remembers when each probe's heartbeat last changed, as the node lifecycle controller does with Leases."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[datetime | None, datetime]] = {}

    def hear(self, node: str, heartbeat: datetime | None, born: datetime, now: datetime) -> None:
        """Take note of a probe's heartbeat, None where it never reported; `born` is when its NodeProbe was created.

        At first sight there is only the node's own time to go by.
        """
        known = self._heard.get(node)
        if known is None:
            self._heard[node] = heartbeat, min(heartbeat or born, now)
        elif known[0] != heartbeat:
            self._heard[node] = heartbeat, now

    def forget(self, node: str) -> None:
        """The NodeProbe is gone."""
        self._heard.pop(node, None)

    def excuse(self, now: datetime) -> None:
        """Nobody could be heard until `now`: silence counts from here."""
        self._heard = {node: (heartbeat, now) for node, (heartbeat, _) in self._heard.items()}

    def silence(self, node: str, now: datetime) -> timedelta:
        """For how long a probe has not been heard."""
        known = self._heard.get(node)
        return now - known[1] if known else timedelta(0)
