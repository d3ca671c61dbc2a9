"""Keeps the feed's certificate current in every replica: made by whoever comes first, shared, renewed while serving."""

import asyncio
import logging
import os
import ssl
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from weir_operator.cluster.api import Api, ApiError, UnreachableError
from weir_operator.cluster.shared import CONFIG_MAP, SECRET, config_map, secret
from weir_operator.identity.certificates import Material, current, read

_log = logging.getLogger(__name__)
_RETRY_S: Final = 5.0
#: Another replica may have renewed it.
_LOOK_AGAIN_S: Final = 60.0
#: Until two replicas that start at once agree.
_ATTEMPTS: Final = 5


def names_of(service: str, namespace: str) -> tuple[str, ...]:
    """The DNS names of a Service, with any cluster domain left out but the usual one."""
    short = f"{service}.{namespace}.svc"
    return short, f"{service}.{namespace}", f"{short}.cluster.local"


class ServingCertificate:
    """`tls` serves with the newest certificate once `ready` is set; connections that are there are not disturbed."""

    def __init__(self, api: Api, namespace: str, names: Sequence[str]) -> None:
        self.ready = asyncio.Event()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._secret = secret(api, namespace)
        self._config_map = config_map(api, namespace)
        self._names = names
        self._loaded = b""

    async def run(self) -> None:
        """Keep it current until cancelled."""
        said = ""
        while True:
            try:
                material = await self._agree()
                self._load(material)
                self.ready.set()
                said, pause_s = "", _LOOK_AGAIN_S
            except (ApiError, UnreachableError) as error:
                pause_s = _RETRY_S
                if str(error) != said:
                    said = str(error)
                    _log.warning("identity feed's certificate (Secret %s, ConfigMap %s): %s", SECRET, CONFIG_MAP, error)
            await asyncio.sleep(pause_s)

    async def _agree(self) -> Material:
        """What all replicas serve with now. Raises ApiError or UnreachableError."""
        for _ in range(_ATTEMPTS):
            # read first: should another replica publish more than is read below, the write fails and this starts anew
            published = (await self._config_map.read()).get("ca.crt")
            data = await self._secret.read()
            held = _readable(data)
            material = current(held, self._names, datetime.now(UTC))
            if material is not held:
                if not await self._secret.write(material.data()):
                    continue
                _log.info("identity feed: new certificate until %s", material.serving.ends.isoformat())
            if material.bundle == published or await self._config_map.write({"ca.crt": material.bundle}):
                return material
        raise UnreachableError(f"other replicas keep changing Secret {SECRET} or ConfigMap {CONFIG_MAP}")

    def _load(self, material: Material) -> None:
        if material.chain == self._loaded:
            return
        # ssl reads files only: this one is in memory, and gone when it is closed
        with closing(_Memory(material.chain)) as file:
            self.tls.load_cert_chain(file.path)
        self._loaded = material.chain


class _Memory:
    """A file without a name."""

    def __init__(self, content: bytes) -> None:
        self._descriptor = os.memfd_create("weir-identity-tls", os.MFD_CLOEXEC)
        os.write(self._descriptor, content)
        self.path = f"/proc/self/fd/{self._descriptor}"

    def close(self) -> None:
        os.close(self._descriptor)


def _readable(data: dict[str, str]) -> Material | None:
    if not data:
        return None
    try:
        return read(data)
    except ValueError as error:
        _log.warning("Secret %s: %s; it is made anew", SECRET, error)
        return None
