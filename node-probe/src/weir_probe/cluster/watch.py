"""Keeps a view of some objects current: a list, then a stream of changes, over any break of the connection."""

import logging
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Generic, Protocol, TypeVar

from weir_probe.cluster.api import Api, ApiError, Raw, Stream, UnreachableError

T = TypeVar("T")

_log = logging.getLogger(__name__)
_LIST_S: Final = 60.0
#: The server ends a watch after a time in this range, so that not all probes' are renewed at once.
_STREAM_S: Final = (240, 300)
_BACKOFF_S: Final = (0.5, 5.0)


class Trouble:
    """Logs the first failure of a row as a warning, and its end."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._met = False

    def met(self, error: Exception) -> None:
        _log.log(logging.DEBUG if self._met else logging.WARNING, "%s: %s; trying again", self._what, error)
        self._met = True

    def over(self) -> None:
        if self._met:
            _log.info("%s works again", self._what)
        self._met = False


class View(Protocol[T]):
    """What follows the objects of one watch. `read` makes the slim record that the others get."""

    def read(self, raw: Raw) -> T: ...
    def replace(self, present: list[T]) -> None: ...
    def put(self, record: T) -> None: ...
    def remove(self, record: T) -> None: ...


class Watch(Generic[T]):
    """Keeps a view current: a list, then a stream of changes, again and again."""

    def __init__(self, api: Api, path: str, field_selector: str, view: View[T], closing: threading.Event) -> None:
        self._api = api
        self._path = path
        self._selector = field_selector
        self._view = view
        self._closing = closing
        self._stream: Stream | None = None
        self._lock = threading.Lock()
        #: The resourceVersion up to which the view is current; None: to be listed.
        self._version: str | None = None
        self._failures = 0
        self._trouble = Trouble(f"watching {path} of {field_selector}")

    def run(self) -> None:
        """Run until closing."""
        while not self._closing.is_set():
            try:
                if self._version is None:
                    self._list()
                self._follow()
            except ApiError as error:
                if error.status in (410, 504):  # our version is too old, or from a server that was ahead of this one
                    self._version = None
                self._met(error)
            except UnreachableError as error:
                self._met(error)
            except Exception as error:
                # a fault of ours, or of who is called: the probe must not be deaf from here on
                _log.exception("watch of %s", self._path)
                self._version = None
                self._met(error)
            else:
                continue
            first_s, longest_s = _BACKOFF_S
            self._closing.wait(min(longest_s, first_s * 2 ** min(self._failures - 1, 8)) * random.uniform(0.5, 1))

    def interrupt(self) -> None:
        """After closing is set: let a read that waits end."""
        with self._lock:
            if self._stream is not None:
                self._stream.interrupt()

    def _met(self, error: Exception) -> None:
        self._failures += 1
        if not self._closing.is_set():
            self._trouble.met(error)

    def _list(self) -> None:
        # In one piece: the server has an index of the pods of a node in its cache, and answers lists from there (since
        # Kubernetes 1.31), but with a limit it would read all pods of the cluster from etcd, page by page.
        answer = self._api.get(self._path, {"fieldSelector": self._selector}, _LIST_S)
        present = [self._view.read(item) for item in answer.get("items") or ()]
        if not self._closing.is_set():
            self._view.replace(present)
        self._version = str(answer["metadata"]["resourceVersion"])

    def _follow(self) -> None:
        """Follow the changes until the server ends the stream."""
        query = {
            "fieldSelector": self._selector,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(self._version),
            "timeoutSeconds": str(random.randint(*_STREAM_S)),
        }
        heard = False
        with self._open(query) as stream:
            self._trouble.over()
            for kind, raw in stream.changes():
                if self._closing.is_set():
                    return
                heard = True
                self._failures = 0
                if kind != "BOOKMARK":
                    # with a field selector, DELETED also tells of an object that ceased to match it
                    (self._view.remove if kind == "DELETED" else self._view.put)(self._view.read(raw))
                self._version = str(raw["metadata"]["resourceVersion"])
        if not heard:
            raise UnreachableError("the stream ended before it told anything")

    @contextmanager
    def _open(self, query: Mapping[str, str]) -> Iterator[Stream]:
        stream = self._api.watch(self._path, query)
        with self._lock:
            self._stream = stream
        try:
            if self._closing.is_set():  # and interrupt() came too early to see this stream
                stream.interrupt()
            yield stream
        finally:
            with self._lock:
                self._stream = None
            stream.close()
