"""The shop's customers: a few requests a second, IPv4 and IPv6, with keep-alive and without.

`python -m weir_cli.demo.load DNS`. Prints `ready` after the first order that went through the whole shop.
"""

import socket
import sys
import time
from http.client import HTTPConnection, HTTPException
from typing import Final

from weir_cli.demo.dns import resolve

_REQUESTS_PER_S: Final = 8
_WEB: Final = "web.shop"


def _get(connection: HTTPConnection, path: str) -> bool:
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    return response.status == 200


def _order_once(dns: str) -> bool:
    """An order on a connection of its own: a new flow."""
    connection = HTTPConnection(resolve(_WEB, socket.AF_INET, dns), 80, timeout=2.0)
    try:
        return _get(connection, "/order")
    finally:
        connection.close()


def _wait_for_the_shop(dns: str) -> None:
    while True:
        try:
            if _order_once(dns):
                return
        except (OSError, HTTPException):
            pass  # a server has not started yet; whoever reads our output has a time limit
        time.sleep(0.1)


def main() -> None:
    dns = sys.argv[1]
    _wait_for_the_shop(dns)
    print("ready", flush=True)
    regular: HTTPConnection | None = None
    number = 0
    while True:
        number += 1
        try:
            if number % 4 == 0:
                _order_once(dns)
            else:
                if regular is None:
                    regular = HTTPConnection(resolve(_WEB, socket.AF_INET6, dns), 80, timeout=2.0)
                _get(regular, "/catalogue")
        except (OSError, HTTPException) as error:
            print(error, file=sys.stderr, flush=True)
            if regular is not None:
                regular.close()
            regular = None
        time.sleep(1 / _REQUESTS_PER_S)


if __name__ == "__main__":
    main()
