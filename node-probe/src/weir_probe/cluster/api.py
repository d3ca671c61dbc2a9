"""One connection to the API server: JSON in and out, and streams of changes.

The only module of the probe that knows the Kubernetes client. It uses that for configuration, credentials (tokens that
are replaced included) and transport, and none of its models.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import urlencode

import urllib3
from kubernetes import client, config
from urllib3.exceptions import HTTPError

Raw = Mapping[str, Any]

FIELD_MANAGER: Final = "weir-probe"
_JSON: Final = "application/json"
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_CONNECT_S: Final = 5.0
_REQUEST_S: Final = 5.0
#: Longer than the server lets a stream last. Nothing need be sent on a quiet one (bookmarks need etcd's progress
#: notifications, which come every ten minutes by default); the client's TCP keep-alive finds a peer that is gone.
_SILENCE_S: Final = 330.0
#: etcd takes objects of up to 1.5 MiB; in a stream that is no watch, no line may end.
_MAX_LINE_BYTES: Final = 8 << 20


class ApiError(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class UnreachableError(Exception):
    """The API server did not answer."""


class Stream:
    """The changes of a watch, as long as the server tells them."""

    def __init__(self, response: urllib3.HTTPResponse) -> None:
        self._response = response

    def changes(self) -> Iterator[tuple[str, Raw]]:
        """(type, object) of each. Raises ApiError (410 when the version is too old), UnreachableError."""
        for line in self._lines():
            with _failures("watch"):
                event = json.loads(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise ApiError(int(status.get("code", 500)), str(status.get("message", "")))
            yield event["type"], event["object"]

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        chunks = self._response.stream(1 << 16)
        while True:
            with _failures("watch"):
                chunk = next(chunks, None)
            if chunk is None:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _MAX_LINE_BYTES:
                raise UnreachableError(f"watch: a line of more than {_MAX_LINE_BYTES} bytes")
            yield from lines

    def interrupt(self) -> None:
        """From another thread: let the read that waits end."""
        with suppress(RuntimeError, ValueError, OSError):  # it has ended already
            self._response.shutdown()

    def close(self) -> None:
        self._response.close()


class Api:
    """Requests to the API server."""

    def __init__(self, kubeconfig: str | None) -> None:
        configuration = client.Configuration()
        configuration.proxy = None  # the environment's: the API server is inside the cluster
        configuration.retries = False
        configuration.connection_pool_maxsize = 4
        try:
            if kubeconfig:
                config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call] # not annotated there
            else:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # not annotated there
        except Exception as error:  # what a broken file makes of the loader has no common base
            hint = "--kubeconfig names a file to use outside one"
            raise ValueError(f"no access to a cluster: {error} ({hint})") from error
        self._host = configuration.host
        self._client = client.ApiClient(configuration)

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call] # not annotated there

    def get(self, path: str, query: Mapping[str, str], timeout_s: float) -> Raw:
        """An object or a list. Raises ApiError or UnreachableError."""
        return self._answer("GET", path, query, timeout=timeout_s)

    def replace(self, path: str, content: Raw) -> Raw:
        """Put `content` in the place of what is there; the metadata of what is there now.

        A patch, of whatever kind, costs the API server half as much again. Raises ApiError (409 where `content` does
        not have the resourceVersion that is there) or UnreachableError.
        """
        return self._answer("PUT", path, {"fieldManager": FIELD_MANAGER}, body=content, accept=_METADATA_ONLY)

    def watch(self, path: str, query: Mapping[str, str]) -> Stream:
        """Begin a watch. Raises ApiError or UnreachableError."""
        return Stream(self._send("GET", path, query, timeout=(_CONNECT_S, _SILENCE_S)))

    def _answer(self, method: str, path: str, query: Mapping[str, str], **options: Any) -> Raw:
        response = self._send(method, path, query, **options)
        with _failures(f"{method} {path}"):
            answer: Raw = json.loads(response.data)
        return answer

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        body: Raw | None = None,
        accept: str = _JSON,
        timeout: float | tuple[float, float] = _REQUEST_S,
    ) -> urllib3.HTTPResponse:
        headers = {"Accept": accept, "Content-Type": _JSON, "User-Agent": FIELD_MANAGER}
        url = f"{self._host}{path}?{urlencode(query)}"
        with _failures(f"{method} {path}"):
            # a token that was replaced meanwhile is read again
            self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            answer = self._client.call_api(method, url, headers, body, _request_timeout=timeout)
        response: urllib3.HTTPResponse = answer.response
        if response.status >= 400:
            raise ApiError(response.status, _reason(response))
        return response


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """All that can go wrong on the way to an answer, as UnreachableError."""
    try:
        yield
    except (HTTPError, OSError, ValueError, client.ApiException, config.ConfigException) as error:
        raise UnreachableError(f"{what}: {error!r}") from error


def _reason(response: urllib3.HTTPResponse) -> str:
    """The server's words, as far as they come: the status code says most."""
    text = ""
    try:
        text = response.read(4096).decode(errors="replace")
        return str(json.loads(text)["message"])
    except (HTTPError, OSError, ValueError, KeyError, TypeError):
        return text or str(response.reason)
    finally:
        response.close()
