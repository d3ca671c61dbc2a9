"""One connection to the API server: verbs in, JSON out, errors that carry the server's words.

It uses the asynchronous client of the `kubernetes` package for configuration, credentials and transport, and none of
its models: what is read here is kept slim, and what is written is applied as the contract's models write it.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio import client, config

Raw = Mapping[str, Any]
#: Short enough that a write which was begun under a Lease ends before anyone else may hold it.
REQUEST_TIMEOUT_S: Final = 5.0
_LIST_TIMEOUT_S: Final = 60.0
_PAGE: Final = 500
#: The server ends our streams sooner: one that is silent for longer is dead.
_WATCH_SILENCE_S: Final = 75.0
#: etcd takes objects of up to 1.5 MiB; in a stream that is no watch, no line may end.
_MAX_LINE_BYTES: Final = 8 << 20
FIELD_MANAGER: Final = "weir-operator"
_JSON: Final = "application/json"
METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class ApiError(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason


class UnreachableError(Exception):
    """The API server did not answer."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, as the REST API names it."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of an object, or of the collection where no name is given."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(quote(part, safe="") for part in parts)


FLOW_OBSERVATIONS: Final = Resource("weir.dev", "v1alpha1", "flowobservations", "FlowObservation")
L7_PROTOCOLS: Final = Resource("weir.dev", "v1alpha1", "l7protocols", "L7Protocol")
NODE_PROBES: Final = Resource("weir.dev", "v1alpha1", "nodeprobes", "NodeProbe")
PODS: Final = Resource("", "v1", "pods", "Pod")
SERVICES: Final = Resource("", "v1", "services", "Service")
NODES: Final = Resource("", "v1", "nodes", "Node")
NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview")
SUBJECT_ACCESS_REVIEWS: Final = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; all parts are of one resourceVersion."""

    items: list[Raw]
    version: int


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is and how to be let in, for whoever else needs a connection of their own."""

    server: str
    ca_file: str | None
    ca_data: str | bytes | None
    cert_file: str | None
    key_file: str | None
    token: str | None
    insecure: bool


class Api:
    """Requests to the API server. Close it when done; `on_request(verb, code)` counts, with code 0 for no answer.

    `manager` is the field manager of what is applied, and the user agent.
    """

    def __init__(
        self, configuration: client.Configuration, on_request: Callable[[str, int], None], manager: str = FIELD_MANAGER
    ) -> None:
        # without the timeouts, session and proxy of the environment: the API server is inside the cluster
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.connection_pool_maxsize = 64
        self._configuration = configuration
        self._client = client.ApiClient(configuration)
        self._on_request = on_request
        self._manager = manager

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None,
        on_request: Callable[[str, int], None],
        *,
        context: str | None = None,
        manager: str = FIELD_MANAGER,
    ) -> Self:
        """By a kubeconfig file and one of its contexts, or as the service account of the pod that this runs in.

        Raises ValueError with what is missing.
        """
        configuration = client.Configuration()
        try:
            if kubeconfig:
                await config.load_kube_config(  # type: ignore[no-untyped-call] # not annotated there
                    config_file=kubeconfig, context=context, client_configuration=configuration
                )
            else:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # not annotated there
        except config.ConfigException as error:
            raise ValueError(
                f"no access to a cluster: {error} (--kubeconfig names a file to use outside one)"
            ) from error
        return cls(configuration, on_request, manager)

    async def close(self) -> None:
        """End all connections."""
        await self._client.close()  # type: ignore[no-untyped-call] # not annotated there

    async def access(self) -> Access:
        """The server and the credentials as they are now; tokens of service accounts are replaced every hour."""
        settings = await self._client.configuration.auth_settings()
        bearer = settings.get("BearerToken", {}).get("value") or ""
        held = self._configuration
        return Access(
            server=held.host,
            ca_file=held.ssl_ca_cert,
            ca_data=held.ca_cert_data,
            cert_file=held.cert_file,
            key_file=held.key_file,
            token=bearer.split(" ", 1)[-1].strip() or None,
            insecure=not held.verify_ssl,
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = _JSON,
        accept: str = _JSON,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Raw:
        """One request; the object that was answered. Raises ApiError or UnreachableError."""
        headers = {"Accept": accept, "Content-Type": content_type}
        url = path + (f"?{urlencode(query)}" if query else "")
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        response = await self._send(method, url, headers=headers, body=body, timeout=timeout, verb=method.lower())
        try:
            answer: Raw = json.loads(await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise UnreachableError(f"{method} {path}: {_words(error)}") from error
        return answer

    async def _send(
        self, method: str, url: str, *, headers: dict[str, str], body: Any, timeout: aiohttp.ClientTimeout, verb: str
    ) -> aiohttp.ClientResponse:
        headers["User-Agent"] = self._manager
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], url, method, body)
            answer = await self._client.call_api(
                method, self._configuration.host + url, header_params=headers, body=body, _request_timeout=timeout
            )
        except (aiohttp.ClientError, OSError, TimeoutError, config.ConfigException) as error:
            self._on_request(verb, 0)
            raise UnreachableError(f"{method} {url}: {_words(error)}") from error
        response: aiohttp.ClientResponse = answer.response
        self._on_request(verb, response.status)
        if response.status >= 400:
            raise await _error(response)
        return response

    async def pages(self, resource: Resource, *, field_selector: str = "", accept: str = _JSON) -> AsyncIterator[Page]:
        """All objects of a kind."""
        query = {"limit": str(_PAGE)}
        if field_selector:
            query["fieldSelector"] = field_selector
        while True:
            answer = await self.request("GET", resource.path(), query=query, accept=accept, timeout_s=_LIST_TIMEOUT_S)
            metadata = answer.get("metadata") or {}
            yield Page(answer.get("items") or [], int(metadata["resourceVersion"]))
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    @asynccontextmanager
    async def watch(
        self, resource: Resource, version: str, *, field_selector: str = "", timeout_s: int
    ) -> AsyncIterator[AsyncIterator[tuple[str, Raw]]]:
        """A stream of (type, object) of every change after `version`, until the server ends it after `timeout_s`.

        Entering and reading raise ApiError (410 when `version` is too old) and UnreachableError when the stream breaks.
        """
        query = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": version}
        query["timeoutSeconds"] = str(timeout_s)
        if field_selector:
            query["fieldSelector"] = field_selector
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_TIMEOUT_S, sock_read=_WATCH_SILENCE_S)
        url, headers = f"{resource.path()}?{urlencode(query)}", {"Accept": _JSON, "Content-Type": _JSON}
        response = await self._send("GET", url, headers=headers, body=None, timeout=timeout, verb="watch")
        try:
            yield _changes(resource, response)
        finally:
            response.close()

    async def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        content: Raw,
        *,
        subresource: str = "",
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Raw:
        """Server-side apply of the fields in `content`, which become ours; fields we no longer give go away."""
        identity = {"name": name, **({"namespace": namespace} if namespace else {})}
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            **content,
            "metadata": {**identity, **content.get("metadata", {})},
        }
        return await self.request(
            "PATCH",
            resource.path(namespace, name, subresource),
            query={"fieldManager": self._manager, "force": "true"},
            body=body,
            content_type="application/apply-patch+yaml",
            timeout_s=timeout_s,
        )

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> bool:
        """Delete this very object; False where it is gone already."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            await self.request("DELETE", resource.path(namespace, name), body=options)
        except ApiError as error:
            if error.status in (404, 409):  # 409: another object has the name now
                return False
            raise
        return True


def _words(error: Exception) -> str:
    """What went wrong; a timeout has no words of its own."""
    return str(error) or type(error).__name__


async def _changes(resource: Resource, response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Raw]]:
    try:
        async for line in _lines(response):
            event = json.loads(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise ApiError(int(status.get("code", 500)), status.get("reason", ""), status.get("message", ""))
            yield event["type"], event["object"]
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise UnreachableError(f"watch {resource.plural}: {_words(error)}") from error


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """What was received, line by line. aiohttp's own readline refuses lines of more than 128 KiB, as plans can be."""
    rest: list[bytes] = []
    held = 0
    async for chunk in response.content.iter_any():
        first, *lines = chunk.split(b"\n")
        rest.append(first)
        held += len(first)
        for line in lines:
            yield b"".join(rest)
            rest, held = [line], len(line)
        if held > _MAX_LINE_BYTES:
            raise ValueError(f"a line of more than {_MAX_LINE_BYTES} bytes")


async def _error(response: aiohttp.ClientResponse) -> ApiError:
    text = (await _read_quietly(response))[:4096]
    try:
        status = json.loads(text)
        return ApiError(response.status, str(status.get("reason", "")), str(status.get("message", "")))
    except (ValueError, AttributeError):
        return ApiError(response.status, response.reason or "", text)


async def _read_quietly(response: aiohttp.ClientResponse) -> str:
    """The text of an error; empty where the connection breaks meanwhile: the status code says enough."""
    try:
        return (await response.read()).decode(errors="replace")
    except (aiohttp.ClientError, OSError, TimeoutError):
        return ""


def namespace_of_this_pod() -> str | None:
    """The namespace that this runs in; None outside a cluster."""
    try:
        return Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read_text().strip()
    except OSError:
        return None
