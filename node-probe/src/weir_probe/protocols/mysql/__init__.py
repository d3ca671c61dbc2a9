"""MySQL client/server protocol, with MariaDB's additions (dev.mysql.com, mariadb.com/kb)."""

from weir_probe.protocols.mysql.detect import detect
from weir_probe.protocols.mysql.parse import MySQL
from weir_probe.protocols.parser import Spec

SPEC = Spec("mysql", ("MySQL",), detect, MySQL, tcp_ports=(3306, 33060, 6033), every_segment=True)
