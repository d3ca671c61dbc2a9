"""The cluster that is installed to: objects of any kind, by the operator's connection to the API server."""

import asyncio
import math
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import yaml

from weir_cli.exits import Exit, Failure
from weir_cli.install.manifests import PART_OF, Manifest
from weir_operator.cluster.api import Api, ApiError, Raw, Resource, UnreachableError

FIELD_MANAGER: Final = "weir-install"
#: appArmorProfile, and tokens that name their node, which config/probe/admission.yaml asks for.
MIN_MINOR: Final = 30
#: Between two looks at what has to come or go.
POLL_S: Final = 0.5
_TIMEOUT_S: Final = 30.0


class Cluster:
    """Asks the API server which resource a kind is, so that no table of kinds has to be kept."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._served: dict[str, list[Raw]] = {}

    async def check_version(self) -> None:
        """Raise Failure where Kubernetes is too old for what is installed."""
        version = await self._request("GET", "/version")
        minor = re.match(r"\d+", str(version.get("minor", "")))
        if version.get("major") == "1" and minor and int(minor[0]) < MIN_MINOR:
            raise Failure(
                f"the cluster is Kubernetes {version.get('gitVersion')}; 1.{MIN_MINOR} is needed", Exit.MISSING
            )

    async def apply(self, manifest: Manifest) -> None:
        """Server-side apply; fields of others that differ are taken over."""
        metadata = manifest["metadata"]
        where = await self._collection(manifest["apiVersion"], manifest["kind"])
        if where is None:
            raise Failure(f"the cluster does not serve {manifest['kind']} of {manifest['apiVersion']}")
        resource, _ = where
        try:
            await self._api.apply(
                resource, metadata.get("namespace", ""), metadata["name"], manifest, timeout_s=_TIMEOUT_S
            )
        except (ApiError, UnreachableError) as error:
            raise Failure(f"{name_of(manifest)}: {error}") from error

    async def get(self, manifest: Manifest) -> Raw | None:
        """The object as it is there; None where there is none."""
        path = await self._path(manifest)
        if path is None:
            return None
        try:
            return await self._request("GET", path)
        except Failure as failure:
            if _is_missing(failure):
                return None
            raise

    async def list(
        self, api_version: str, kind: str, *, namespace: str = "", labelled: bool = False, fields: str = ""
    ) -> list[Manifest]:
        """Objects of a kind, of all namespaces or of one; none where the cluster does not know the kind."""
        where = await self._collection(api_version, kind)
        if where is None:
            return []
        query = {"labelSelector": "=".join(PART_OF)} if labelled else {}
        if fields:
            query["fieldSelector"] = fields
        found: list[Manifest] = []
        while True:
            answer = await self._request("GET", where[0].path(namespace), {"limit": "500", **query})
            # a list tells the kind only once
            found += [{**each, "apiVersion": api_version, "kind": kind} for each in answer["items"]]
            if not (more := (answer.get("metadata") or {}).get("continue")):
                return found
            query["continue"] = more

    async def delete(self, manifest: Manifest) -> None:
        """Delete an object, a workload once its pods are gone; nothing happens where it is gone already."""
        path = await self._path(manifest)
        policy = "Foreground" if manifest["kind"] in ("Deployment", "DaemonSet") else "Background"
        if path is not None:
            try:
                await self._request("DELETE", path, body={"propagationPolicy": policy})
            except Failure as failure:
                if not _is_missing(failure):
                    raise

    async def _path(self, manifest: Manifest) -> str | None:
        where = await self._collection(manifest["apiVersion"], manifest["kind"])
        metadata = manifest["metadata"]
        return where[0].path(metadata.get("namespace", "") if where[1] else "", metadata["name"]) if where else None

    async def _collection(self, api_version: str, kind: str) -> tuple[Resource, bool] | None:
        """The resource that a kind is, and whether it is namespaced; None where it is not served."""
        group, _, version = api_version.rpartition("/")
        if api_version not in self._served:
            try:
                answer = await self._request("GET", f"/apis/{api_version}" if group else f"/api/{api_version}")
                self._served[api_version] = answer["resources"]
            except Failure as failure:
                if not _is_missing(failure):
                    raise
                return None
        for each in self._served[api_version]:
            if each["kind"] == kind and "/" not in each["name"]:
                return Resource(group, version, each["name"], kind), bool(each["namespaced"])
        return None

    async def _request(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Raw | None = None
    ) -> Raw:
        try:
            return await self._api.request(method, path, query=query, body=body, timeout_s=_TIMEOUT_S)
        except (ApiError, UnreachableError) as error:
            raise Failure(f"{method} {path}: {error}") from error


def _is_missing(failure: Failure) -> bool:
    return isinstance(failure.__cause__, ApiError) and failure.__cause__.status == 404


def name_of(manifest: Manifest) -> str:
    """`Deployment weir-system/weir-operator`."""
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


@asynccontextmanager
async def connected(kubeconfig: Path | None, context: str | None) -> AsyncIterator[Cluster]:
    """A cluster by a kubeconfig (or KUBECONFIG, ~/.kube/config, the pod's service account). Raises Failure."""
    default = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    file = str(kubeconfig or default)
    there = any(Path(each).exists() for each in file.split(os.pathsep))
    in_pod = kubeconfig is None and not there and "KUBERNETES_SERVICE_HOST" in os.environ
    if not there and not in_pod:
        raise Failure(f"no access to a cluster: no {file}; give --kubeconfig, or set KUBECONFIG", Exit.MISSING)
    try:
        api = await Api.connect(
            None if in_pod else file, lambda _verb, _code: None, context=context, manager=FIELD_MANAGER
        )
    except (ValueError, OSError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise Failure(f"no access to a cluster by {file}: {error or type(error).__name__}", Exit.MISSING) from error
    try:
        yield Cluster(api)
    finally:
        await api.close()


async def wait_until(missing: Callable[[], Awaitable[str]], timeout_s: float, say: Callable[[str], None]) -> None:
    """Ask again and again what is missing, say it when it changes, until nothing is. Raises Failure after the time."""
    deadline, before = time.monotonic() + timeout_s, ""
    while True:
        now = await missing()
        if not now:
            return
        if now != before:
            say(f"waiting: {now}")
            before = now
        if time.monotonic() > deadline:
            raise Failure(f"not done after {math.ceil(timeout_s)} s: {now}")
        await asyncio.sleep(POLL_S)
