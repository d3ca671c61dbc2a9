"""From a YAML text to the FlowObservations and namespaces that it states. Never raises for what a text says."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import yaml
from pydantic import ValidationError

from weir_api import API_VERSION, GROUP
from weir_api.admission import Problem
from weir_api.base import DnsName, LabelKey, LabelValue, Model
from weir_api.flowobservation import FlowObservationSpec
from weir_operator.reconcile.resources import Namespace, problems_of

_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Stated:
    """A FlowObservation as a document states it; without a spec where the spec has problems."""

    where: str
    namespace: str
    name: str
    spec: FlowObservationSpec | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """What one file states. `broken`: its YAML ends in an error, so that more may have been meant."""

    observations: tuple[Stated, ...] = ()
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    broken: bool = False


class _Metadata(Model):
    name: DnsName
    namespace: DnsName = "default"
    labels: dict[LabelKey, LabelValue] | None = None
    annotations: dict[str, str] | None = None


class _Observation(Model):
    """The envelope; the spec is checked by itself, so that an error in it still has the object's name."""

    api_version: Literal["weir.dev/v1alpha1"]
    kind: Literal["FlowObservation"]
    metadata: _Metadata
    spec: Any


class _NamespaceMetadata(Model):
    name: DnsName
    labels: dict[LabelKey, LabelValue] | None = None
    annotations: dict[str, str] | None = None


class _Namespace(Model):
    api_version: Literal["v1"]
    kind: Literal["Namespace"]
    metadata: _NamespaceMetadata
    spec: dict[str, Any] | None = None


class _Loader(yaml.SafeLoader):
    """Plain YAML in which a key that is given twice is an error, as it is for the API server."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value} is given twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(text: str, file: str) -> Content:
    """What a file states; `file` names it in errors, each of which names the document, the field and the fix."""
    documents: list[Any] = []
    broken = ""
    try:
        documents.extend(_documents(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        broken = f"{place}{error.problem or error.context}"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        broken = f"not YAML: {str(error).splitlines()[0]}"
    return _Reader(file, documents, broken).content()


def _documents(text: str) -> Iterator[Any]:
    yield from yaml.load_all(text, Loader=_Loader)  # a SafeLoader


class _Reader:
    def __init__(self, file: str, documents: list[Any], broken: str) -> None:
        self._file = file
        self._documents = documents
        self._broken = broken
        self._observations: list[Stated] = []
        self._namespaces: dict[str, Namespace] = {}
        self._errors: list[str] = []

    def content(self) -> Content:
        for number, document in enumerate(self._documents, 1):
            if document is not None:  # an empty document, such as before a first ---
                self._read(self._where(number), document)
        if self._broken:
            self._errors.append(f"{self._where(len(self._documents) + 1)}: {self._broken}; the rest is not read")
        return Content(tuple(self._observations), self._namespaces, tuple(self._errors), bool(self._broken))

    def _where(self, number: int) -> str:
        only = len(self._documents) + bool(self._broken) == 1
        return self._file if only else f"{self._file} (document {number})"

    def _read(self, where: str, document: Any) -> None:
        if not isinstance(document, Mapping):
            self._errors.append(f"{where}: not an object; give apiVersion, kind, metadata and spec")
            return
        api_version, kind = document.get("apiVersion"), document.get("kind")
        if kind == "Namespace" and api_version == "v1":
            self._read_namespace(where, document)
        elif kind == "FlowObservation" and api_version == API_VERSION:
            self._read_observation(where, document)
        elif kind == "FlowObservation":
            self._errors.append(f"{where}: FlowObservation: apiVersion: {_short(api_version)}; give {API_VERSION}")
        elif str(api_version).startswith(f"{GROUP}/"):
            self._errors.append(f"{where}: {_short(kind)}: not supported yet by this version; remove the document")
        else:
            self._errors.append(
                f"{where}: kind: {_short(kind)} of {_short(api_version)} is not a policy; "
                f"give FlowObservation of {API_VERSION}, or Namespace of v1 for its labels"
            )

    def _read_namespace(self, where: str, document: Mapping[Any, Any]) -> None:
        try:
            metadata = _Namespace.model_validate(document, by_alias=True, by_name=False).metadata
        except ValidationError as error:
            self._refuse(f"{where}: Namespace {_name_of(document)}", error)
            return
        self._namespaces[metadata.name] = Namespace(metadata.labels or {}, metadata.annotations or {})

    def _read_observation(self, where: str, document: Mapping[Any, Any]) -> None:
        try:
            metadata = _Observation.model_validate(document, by_alias=True, by_name=False).metadata
        except ValidationError as error:
            self._refuse(f"{where}: FlowObservation {_name_of(document)}", error)
            return
        spec, problems = None, tuple[Problem, ...]()
        try:
            spec = FlowObservationSpec.model_validate(document["spec"], by_alias=True, by_name=False)
        except ValidationError as error:
            problems = problems_of(error, "spec")
        self._observations.append(Stated(where, metadata.namespace, metadata.name, spec, problems))

    def _refuse(self, subject: str, error: ValidationError) -> None:
        fields = "; ".join(str(problem).removeprefix(".") for problem in problems_of(error, ""))
        self._errors.append(f"{subject}: {fields}")


def _name_of(document: Mapping[Any, Any]) -> str:
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return "without a name"
    return f"{_short(metadata.get('namespace', 'default'))}/{_short(metadata.get('name', '(no name)'))}"


def _short(value: Any) -> str:
    """Whatever a file holds, as a few printable characters."""
    if value is None:
        return "(not given)"
    text = str(value) if isinstance(value, str | int | float) else type(value).__name__
    return "".join(c for c in text[:64] if c.isprintable())
