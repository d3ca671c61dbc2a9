"""MariaDB and PostgreSQL live: each command that a server logs is told, as a replay of the same packets tells it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from live.stage import OnWire, apart, observed, same_as_on_tape
from protocols import test_mysql_server as mysql
from protocols import test_postgresql_server as postgresql
from protocols.test_mysql_server import log as mariadb_log
from protocols.test_postgresql_server import log as postgresql_log
from weir_probe.capture.model import Capture

__all__ = ["mariadb_log", "postgresql_log"]
pytestmark = pytest.mark.root


def test_mariadb_with_prepared_statements_compressed_and_pipelined(
    core: Capture, tape: OnWire, mariadb_log: Path, tmp_path: Path
) -> None:
    tape.inside(lambda: mysql.create(tape.address))
    tape.erase()
    with observed(core, tape.wire) as live:
        known = apart(partial(mysql.shop, tape.address, tmp_path, 4))
        assert len(same_as_on_tape(live, tape)) > 4 * mysql.STATEMENTS
    mysql.compare(tape.calls(redacts=False), mariadb_log, known)  # the log has literals


def test_postgresql_simple_extended_pipelined_and_copy(core: Capture, tape: OnWire, postgresql_log: Path) -> None:
    with observed(core, tape.wire) as live:
        skips = apart(partial(postgresql.shop, tape.address, 8))
        assert len(same_as_on_tape(live, tape)) > 8 * postgresql.STATEMENTS
    postgresql.compare(tape.calls(redacts=False), postgresql_log, 8, skips)  # the log has literals
