"""The folder of policies: reads its files, remembers each observation's identity, and says when something changed."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from weir_api.flowobservation import FlowObservationSpec
from weir_cli.exits import Exit, Failure
from weir_cli.policies.documents import Content, Stated, read
from weir_operator.reconcile.resources import Key, Namespace, Observation, read_observation

_MAX_FILE_BYTES: Final = 1 << 20
_MAX_FILES: Final = 1000
_SUFFIXES: Final = frozenset({".yaml", ".yml"})
#: Editors write in several steps; this long after the last one a file is read.
_DEBOUNCE_MS: Final = 200


@dataclass(frozen=True, slots=True)
class Policies:
    """What the folder holds now. `where` names file and document of each observation, by its key."""

    observations: tuple[Observation, ...] = ()
    where: Mapping[Key, str] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Identity:
    """What the API server would give an object: made at its first appearance, kept while it is there."""

    file: str
    uid: str
    created: datetime
    generation: int
    spec: FlowObservationSpec | None


class PolicyFolder:
    """A folder of YAML files, read as a whole each time. Raises Failure when it cannot be read."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise Failure(
                f"{path}: no such folder; `mkdir -p {path}` and put FlowObservations there as YAML files, "
                "or name another with --policies",
                Exit.USAGE,
            )
        self._path = path
        self._known: dict[Key, _Identity] = {}

    def read(self, now: datetime) -> Policies:
        """All files. An object keeps its identity, and so its `duration`, while its file states it or is broken."""
        observations: dict[Key, Observation] = {}
        where: dict[Key, str] = {}
        namespaces: dict[str, Namespace] = {}
        errors: list[str] = []
        broken: set[str] = set()
        for file, content in self._contents():
            errors.extend(content.errors)
            namespaces.update(content.namespaces)
            if content.broken:
                broken.add(file)
            for stated in content.observations:
                key = stated.namespace, stated.name
                if key in observations:
                    subject = f"{stated.where}: FlowObservation {stated.namespace}/{stated.name}"
                    errors.append(f"{subject}: defined already in {where[key]}; rename one, or remove it")
                    continue
                observations[key] = self._identified(key, file, stated, now)
                where[key] = stated.where
        for key in [key for key, known in self._known.items() if key not in observations and known.file not in broken]:
            del self._known[key]
        return Policies(tuple(observations.values()), where, namespaces, tuple(errors))

    def watch(self, changed: Callable[[], None], stop: threading.Event) -> None:
        """Call `changed` after every change of a policy file until `stop` is set."""
        from watchfiles import watch

        for _changes in watch(
            self._path,
            watch_filter=lambda _change, path: Path(path).suffix in _SUFFIXES,
            debounce=_DEBOUNCE_MS,
            rust_timeout=1000,
            recursive=False,
            stop_event=stop,
        ):
            changed()

    def _identified(self, key: Key, file: str, stated: Stated, now: datetime) -> Observation:
        known = self._known.get(key)
        if known is None:
            known = _Identity(file, str(uuid4()), now, 1, stated.spec)
        elif known.spec != stated.spec or known.file != file:
            generation = known.generation + (known.spec != stated.spec)
            known = _Identity(file, known.uid, known.created, generation, stated.spec)
        self._known[key] = known
        envelope = {
            "namespace": stated.namespace,
            "name": stated.name,
            "uid": known.uid,
            "generation": known.generation,
            "creationTimestamp": known.created.isoformat(),
        }
        return replace(read_observation({"metadata": envelope}), spec=stated.spec, problems=stated.problems)

    def _contents(self) -> Iterator[tuple[str, Content]]:
        try:
            files = sorted(path for path in self._path.iterdir() if path.suffix in _SUFFIXES)
        except OSError as error:
            # the folder was there when we began: it may come back, and until then no policy is in force
            yield str(self._path), Content(errors=(f"{self._path}: {error.strerror}",), broken=True)
            return
        for path in files[:_MAX_FILES]:
            yield path.name, _content(path)
        if len(files) > _MAX_FILES:
            yield "", Content(errors=(f"{self._path}: only the first {_MAX_FILES} of {len(files)} files are read",))


def _content(path: Path) -> Content:
    try:
        if not path.is_file():
            return Content(errors=(f"{path.name}: not a regular file",), broken=True)
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            return Content(errors=(f"{path.name}: larger than {_MAX_FILE_BYTES} bytes; split it",), broken=True)
        return read(data.decode(), path.name)
    except UnicodeDecodeError as error:
        return Content(errors=(f"{path.name}: byte {error.start}: not UTF-8",), broken=True)
    except FileNotFoundError:
        return Content()  # deleted since it was listed
    except OSError as error:
        return Content(errors=(f"{path.name}: {error.strerror}",), broken=True)
