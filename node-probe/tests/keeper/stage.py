"""A keeper in a process of its own, and the agents that it starts, as the tests hold their strings."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from kube.process import kill, spawn
from weir_probe.keeper import KeeperError

TIMEOUT_S = 20.0
PUPPET = Path(__file__).parent / "puppet.py"
KEEPER = """
import sys
from weir_probe.keeper import keep, parent
lease_s, stop_patience_s, lost, *argv = sys.argv[1:]
parent._STOP_PATIENCE_S = float(stop_patience_s)
sys.exit(keep(argv, lease_s=float(lease_s), on_lost=lambda: open(lost, "a").close()))
"""


class Agent:
    """An agent that the keeper started; calling it gives it an order."""

    def __init__(self, line: socket.socket) -> None:
        line.settimeout(TIMEOUT_S)
        self._line = line
        self._orders = line.makefile("rw")
        self.pid: int = json.loads(self._orders.readline())

    def __call__(self, *order: object) -> Any:
        """Raises KeeperError where the agent met one."""
        self.tell(*order)
        answer = json.loads(self._orders.readline())
        if "error" in answer:
            raise KeeperError(answer["error"])
        return answer["answer"]

    def tell(self, *order: object) -> None:
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.await_end()

    def await_end(self) -> None:
        """Its end of the line closes when it ends."""
        self._orders.read()
        self._orders.close()
        self._line.close()


class Stage:
    """Use with `with`; ends the keeper, and so the agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost = folder / "lost"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "s"))
        self._listener.listen()
        self._listener.settimeout(TIMEOUT_S)
        self.keeper: subprocess.Popen[str] | None = None

    def start(
        self,
        argv: list[str] | None = None,
        *,
        lease_s: float = 30,
        stop_patience_s: float = 10,
        max_open: int | None = None,
    ) -> None:
        """Start a keeper of `argv`, else of a puppet; with RLIMIT_NOFILE lowered where `max_open` says so."""
        argv = argv or [sys.executable, str(PUPPET), str(self.folder / "s")]
        own = [sys.executable, "-c", KEEPER, str(lease_s), str(stop_patience_s), str(self.lost)]
        limit = [] if max_open is None else ["prlimit", f"--nofile={max_open}:{max_open}"]
        self.keeper = spawn([*limit, *own, *argv], stderr=(self.folder / "log").open("a"))

    @property
    def pid(self) -> int:
        assert self.keeper is not None
        return self.keeper.pid

    def agent(self) -> Agent:
        """The next agent, once it has started."""
        line, _ = self._listener.accept()
        return Agent(line)

    def agent_restores(self) -> bool:
        """Whether the next agent finds anything; if so, it is killed."""
        agent = self.agent()
        if agent("restore") is None:
            return False
        agent.kill()
        return True

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def ended(self) -> int:
        """The keeper's exit code, once it has ended."""
        assert self.keeper is not None
        return self.keeper.wait(TIMEOUT_S)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def descriptors(self) -> int:
        """How many the keeper has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def close(self) -> None:
        if self.keeper is not None:
            kill(self.keeper)
        self._listener.close()


def hard_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
