"""The shop's real servers: programs, configuration files, Debian packages. None daemonizes."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from weir_cli.exits import Exit, Failure

#: Program → Debian package.
PROGRAMS: Final = {
    "nginx": "nginx-light",
    "redis-server": "redis-server",
    "dnsmasq": "dnsmasq-base",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
}
#: Where the servers are installed, also for a root whose PATH lacks the sbin folders.
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_API_PORT: Final = 8080

_NGINX: Final = """\
daemon off;
master_process off;  # one process: none is left when it is killed
user root;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    keepalive_requests 60;  # connections end now and then: whoever begins to observe sees who opens the next
    upstream api {{
        server {api}:{api_port};
        keepalive 2;
        keepalive_requests 40;
    }}
    server {{
        listen 80;
        listen [::]:80;
        location / {{
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Host:
    """A workload of the shop and its addresses."""

    workload: str
    ip4: str
    ip6: str

    @property
    def netns(self) -> str:
        """`shop.web` is workload web in namespace shop."""
        return f"shop.{self.workload}"


HOSTS: Final = {
    name: Host(name, f"10.77.0.{number}", f"fd00:77::{number}")
    for name, number in (("web", 10), ("api", 20), ("redis", 30), ("dns", 40), ("load", 50))
}


def check_programs() -> None:
    """Raise Failure that names every missing program and its package."""
    missing = {name: package for name, package in PROGRAMS.items() if shutil.which(name, path=_PATH) is None}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise Failure(f"not installed: {', '.join(missing)}; apt-get install {packages}", Exit.MISSING)


def program(name: str) -> str:
    """Path of a program. Raises Failure when it is not installed."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise Failure(f"not installed: {name}; apt-get install {PROGRAMS[name]}", Exit.MISSING)
    return found


def commands(folder: Path) -> dict[str, list[str]]:
    """Write the configuration into a folder; returns each workload's command line, servers before their clients."""
    nginx = folder / "nginx.conf"
    nginx.write_text(_NGINX.format(folder=folder, api=HOSTS["api"].ip4, api_port=_API_PORT))
    dns = HOSTS["dns"]
    records = [f"--host-record={h.workload}.shop,{h.ip4},{h.ip6}" for h in HOSTS.values()]
    return {
        "dns": [
            program("dnsmasq"),
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--pid-file=",
            "--log-facility=-",
            "--user=root",  # a change of user would clear the signal that ends it with us (prctl(2), PR_SET_PDEATHSIG)
            "--group=root",
            "--bind-interfaces",
            f"--listen-address={dns.ip4},{dns.ip6}",
            "--local=/shop/",
            *records,
        ],
        "redis": [
            program("redis-server"),
            *("--bind", HOSTS["redis"].ip4, HOSTS["redis"].ip6),
            *("--protected-mode", "no", "--daemonize", "no", "--dir", str(folder)),
            *("--save", "", "--appendonly", "no"),
        ],
        "api": [sys.executable, "-m", "weir_cli.demo.api", str(_API_PORT), dns.ip4],
        "web": [program("nginx"), "-c", str(nginx), "-e", "stderr"],
        "load": [sys.executable, "-m", "weir_cli.demo.load", dns.ip6],
    }
