"""A client of the identity feed, as simple as one can be: it keeps what it was told."""

import base64
import contextlib
import json
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import websocket
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import operator_process
from identity_told import Told
from kube.control_plane import ControlPlane
from kube.patience import patience
from operator_process import NAMESPACE, ROOT, OperatorProcess
from weir_api.feed import AUDIENCE, PATH, Interest, News

NAME = f"weir-identity.{NAMESPACE}.svc"


def install(plane: ControlPlane) -> None:
    """The probe's service account, which may ask, beside what `operator_process.install` makes."""
    operator_process.install(plane)
    plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "config" / "probe" / "rbac.yaml"))


def mint(plane: ControlPlane, account: str = "weir-probe", audience: str = AUDIENCE, duration: str = "1h") -> str:
    """A token of a service account, as a projected volume has it."""
    flags = ["-n", NAMESPACE, f"--duration={duration}", *([f"--audience={audience}"] if audience else [])]
    token: str = plane.kubectl("create", "token", account, *flags)
    return token.strip()


def shortened(plane: ControlPlane, token: str, life_s: int) -> str:
    """The same token with an end that is near: the API server makes none for less than ten minutes."""
    header, payload, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    signed = f"{header}.{_coded(json.dumps(claims | {'exp': int(time.time()) + life_s}).encode())}"
    key = serialization.load_pem_private_key(plane.signing_key.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return f"{signed}.{_coded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def trust(plane: ControlPlane, folder: Path) -> Path:
    """A file of what clients trust, once an operator has published it."""

    def published() -> str:
        data = plane.get("configmap", "weir-identity-ca", NAMESPACE).get("data") or {}
        return str(data.get("ca.crt", ""))

    file = folder / "identity-ca.crt"
    file.write_text(plane.wait(published, 30, "the authority to be published"))
    return file


class FeedClient(Told):
    """One connection. Raises websocket.WebSocketBadStatusException with the answer where it is not let in."""

    def __init__(self, operator: OperatorProcess, ca: Path, token: str, **headers: str) -> None:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        super().__init__()
        self.received = 0
        self.messages: list[News] = []
        self.socket = websocket.create_connection(
            f"wss://127.0.0.1:{operator.identity_port}{PATH}",
            header=given | headers,
            sslopt={"ca_certs": str(ca), "server_hostname": NAME},
            timeout=20,
            http_no_proxy=["*"],
        )

    def ask(self, **interest: Any) -> None:
        """Send an Interest, by the names of its fields."""
        self.send(Interest(**interest).model_dump_json(by_alias=True, exclude_none=True))

    def send(self, text: str) -> None:
        """Send anything."""
        self.socket.send(text)

    def read(self, timeout_s: float = 20) -> News | None:
        """The next News, taken in; None where the operator closed. Raises websocket.WebSocketTimeoutException."""
        self.socket.settimeout(timeout_s)
        code, data = self.socket.recv_data()
        if code == websocket.ABNF.OPCODE_CLOSE:
            self.closed = (int.from_bytes(data[:2], "big"), data[2:].decode())
            return None
        self.received += len(data)
        news = News.model_validate_json(data)
        self.messages.append(news)
        self.take(news)
        return news

    def served_until(self) -> datetime:
        """When the operator's certificate ends."""
        assert isinstance(self.socket.sock, ssl.SSLSocket)
        ends = str((self.socket.sock.getpeercert() or {})["notAfter"])
        return datetime.strptime(ends, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)

    def until(self, check: Callable[[], object], timeout_s: float = 30) -> None:
        """Read until something holds. Raises TimeoutError with what is known."""
        began = time.monotonic()
        while not check():
            with contextlib.suppress(websocket.WebSocketTimeoutException):
                assert self.read(0.5) is not None, f"the operator closed: {self.closed}"
            if time.monotonic() > began + patience(timeout_s):
                raise TimeoutError(f"answers {self.answers}, peers {self.peers}")

    def until_named(self, expected: Mapping[str, str]) -> None:
        """Read until addresses have these names."""
        self.until(lambda: {address: self.name(address) for address in expected} == dict(expected))

    def until_closed(self, timeout_s: float = 30) -> tuple[int, str]:
        """Read until the operator closes; the code and the reason."""
        while self.read(timeout_s) is not None:
            pass
        return self.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.shutdown()  # type: ignore[no-untyped-call] # not annotated there


def service(plane: ControlPlane, namespace: str, name: str, selector: dict[str, str], **spec: object) -> str:
    """Create a Service; its address in the cluster."""
    content = {"selector": selector, "ports": [{"port": 80}], **spec}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": content}
    address: str = plane.request("POST", f"/api/v1/namespaces/{namespace}/services", manifest)["spec"]["clusterIP"]
    return address
