"""The keys of a test cluster: a certificate authority, certificates that it signs, and kubeconfigs that hold them."""

import base64
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_VALID_DAYS = "30"


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, PEM files."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority whose files are in one folder. Raises RuntimeError with openssl's own words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.own = self._create(
            "ca", "/CN=weir-test-ca", ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
        )

    def server(self, name: str, addresses: list[str]) -> KeyPair:
        """A server's certificate; addresses are subject alternative names, `DNS:kubernetes` or `IP:127.0.0.1`."""
        return self._create(
            name, f"/CN={name}", ["extendedKeyUsage=serverAuth", f"subjectAltName={','.join(addresses)}"]
        )

    def client(self, user: str, group: str = "") -> KeyPair:
        """A client's certificate: Kubernetes takes CN as the user's name and O as the user's group."""
        subject = (f"/O={group}" if group else "") + f"/CN={user}"
        return self._create(user.replace(":", "-"), subject, ["extendedKeyUsage=clientAuth"])

    def signing_key(self, name: str) -> Path:
        """An RSA key that service account tokens are signed with."""
        file = self.folder / f"{name}.key"
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(file))
        return file

    def _create(self, name: str, subject: str, extensions: list[str]) -> KeyPair:
        pair = KeyPair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(pair.key)]
        signer = [] if name == "ca" else ["-CA", str(self.own.cert), "-CAkey", str(self.own.key)]
        added = [word for extension in extensions for word in ("-addext", extension)]
        # an empty configuration: the machine's own may add extensions of its own
        config = self.folder / "openssl.cnf"
        config.write_text("[req]\ndistinguished_name=dn\n[dn]\n")
        _openssl(
            *("req", "-x509", "-config", str(config), "-subj", subject, "-days", _VALID_DAYS),
            *("-out", str(pair.cert), *key, *signer, *added),
        )
        return pair


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def write_kubeconfig(file: Path, server: str, authority: Path, user: KeyPair | str, namespace: str = "default") -> Path:
    """Write a kubeconfig that needs no other file; the user is a client certificate or a bearer token."""
    credentials: dict[str, Any]
    if isinstance(user, str):
        credentials = {"token": user}
    else:
        credentials = {"client-certificate-data": _encoded(user.cert), "client-key-data": _encoded(user.key)}
    cluster = {"server": server, "certificate-authority-data": _encoded(authority)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": credentials}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        "current-context": "test",
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(content, indent=1))  # JSON is YAML
    return file


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
