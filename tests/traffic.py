"""Traffic between simulated pods, by Python's own sockets, of known sizes."""

import subprocess
import sys
import textwrap

from kube.node import Node, PodNetns

_SERVER = textwrap.dedent(
    """
    import socket, sys, threading
    kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    def echo(connection):
        with connection:
            while data := connection.recv(1 << 16):
                connection.sendall(data[:100])
    if kind == "tcp":
        server = socket.create_server((address, port), family=family)
        print("ready", flush=True)
        while True:
            threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
    else:
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.bind((address, port))
        print("ready", flush=True)
        while True:
            data, peer = server.recvfrom(1 << 16)
            server.sendto(data[:100], peer)
    """
)
_CLIENT = textwrap.dedent(
    """
    import socket, sys
    kind, address, port, count, size = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if kind == "tcp":
        for _ in range(count):
            with socket.create_connection((address, port)) as connection:
                connection.sendall(b"x" * size)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass
    else:
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.connect((address, port))
            for _ in range(count):
                client.send(b"x" * size)
                client.recv(1 << 16)
    """
)


def serve(pod: PodNetns | Node, port: int, kind: str = "tcp", address: str | None = None) -> None:
    """An echo server in a pod or on a node, up to 100 bytes an answer; it ends with it."""
    process = pod.popen([sys.executable, "-c", _SERVER, kind, address or pod.ips[0], str(port)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def talk(pod: PodNetns | Node, address: str, port: int, *, kind: str = "tcp", count: int = 1, size: int = 1000) -> None:
    """So many connections (tcp) or datagrams (udp) of so many bytes, each answered."""
    pod.run([sys.executable, "-c", _CLIENT, kind, address, str(port), str(count), str(size)])
