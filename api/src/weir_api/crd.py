"""The CRDs, made from the models: `python -m weir_api.crd FOLDER` writes them."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from weir_api import GROUP, VERSION
from weir_api.flowobservation import FlowObservation
from weir_api.l7protocol import L7Protocol
from weir_api.nodeprobe import NodeProbe

_HEADER: Final = "# Generated from api/ by `make crds`. Do not edit.\n"


def _column(name: str, type_: str, path: str, description: str, *, wide: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "type": type_,
        "jsonPath": path,
        "description": description,
        "priority": 1 if wide else 0,
    }


_READY: Final = _column(
    "Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether it works as asked."
)
_AGE: Final = _column("Age", "date", ".metadata.creationTimestamp", "Since when it exists.")

RESOURCES: Final[dict[str, dict[str, Any]]] = {
    "flowobservations": {
        "model": FlowObservation,
        "kind": "FlowObservation",
        "singular": "flowobservation",
        "short": "fo",
        "scope": "Namespaced",
        "columns": [
            _READY,
            _column("Pods", "integer", ".status.matched.pods", "Pods selected."),
            _column("Flows/s", "number", ".status.summary.flowsPerSecond", "New flows per second."),
            _column("RPS", "number", ".status.summary.requestsPerSecond", "Application calls per second."),
            _column("Err%", "number", ".status.summary.errorPercent", "Share of calls that failed."),
            _column("P99", "string", ".status.summary.p99", "99th percentile of call latency."),
            _column("Loss%", "number", ".status.quality.lossPercent", "Packets seen and not counted."),
            _column("Nodes", "integer", ".status.matched.nodes", "Nodes that run the pods.", wide=True),
            _column("Retrans%", "number", ".status.summary.retransmitPercent", "TCP segments sent again.", wide=True),
            _column("Drops", "integer", ".status.summary.drops", "Packets that the kernel dropped.", wide=True),
            _column("CPU", "number", ".status.overhead.cpuMillis", "Millicores on the worst node.", wide=True),
            _AGE,
        ],
    },
    "l7protocols": {
        "model": L7Protocol,
        "kind": "L7Protocol",
        "singular": "l7protocol",
        "short": "l7p",
        "scope": "Cluster",
        "columns": [
            _READY,
            _column("Mode", "string", ".status.mode", "Declared or Wasm."),
            _column("Samples", "string", ".status.samplesPassed", "Self-tests passed of given."),
            _column("Nodes", "integer", ".status.nodesLoaded", "Nodes that have it loaded."),
            _column("Used", "integer", ".status.usedBy", "Observations that use it."),
            _AGE,
        ],
    },
    "nodeprobes": {
        "model": NodeProbe,
        "kind": "NodeProbe",
        "singular": "nodeprobe",
        "short": "np",
        "scope": "Cluster",
        "columns": [
            _READY,
            _column("Capture", "string", ".status.capture.rung", "Rung of the capture ladder."),
            _column("Plan", "string", ".status.planHash", "The plan in use."),
            _column("Packets", "integer", ".status.counters.seen.packets", "Packets seen."),
            _column("CPU", "number", ".status.overhead.cpuMillis", "Millicores.", wide=True),
            _column("Heartbeat", "date", ".status.heartbeatTime", "When the probe last reported."),
            _AGE,
        ],
    },
}

# What a structural schema may hold of what pydantic writes. A keyword in neither set is an error: the API server
# refuses some keywords and silently drops others.
_KEPT: Final = frozenset(
    {
        *("type", "format", "description", "enum", "pattern", "required"),
        *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    }
)
#: All that a structural schema says of what the API server stores as it is.
_OF_WHOLE: Final = ("type", "description", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-map-type")
# additionalProperties: false is how Kubernetes treats unknown fields anyway; CEL rules check the names of labels
_DROPPED: Final = frozenset({"title", "additionalProperties", "propertyNames", "$defs", "x-weir-type"})


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A structural schema (apiextensions.k8s.io/v1) from pydantic's: references inlined, nullable unions unwrapped.

    Raises ValueError where the schema says something that a structural one cannot.
    """
    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[1]]
        merged = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
        return structural(merged, definitions)
    if "x-kubernetes-preserve-unknown-fields" in schema:
        return {key: schema[key] for key in _OF_WHOLE}
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        if len(options) != 1:
            raise ValueError(f"a field of several types has no structural schema: {options}")
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**structural(options[0], definitions), **structural(rest, definitions)}
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: structural(child, definitions) for name, child in value.items()}
        elif key == "items" or (key == "additionalProperties" and isinstance(value, Mapping)):
            result[key] = structural(value, definitions)
        elif key == "patternProperties":  # the values of a dict whose keys have a pattern
            result["additionalProperties"] = structural(next(iter(value.values())), definitions)
        elif key == "default":
            if value is not None:
                result[key] = _without_none(value)
        elif key in _KEPT:
            result[key] = value
        elif key not in _DROPPED:
            raise ValueError(f"a structural schema has no {key}: {schema}")
    if result.get("type") == "integer":
        result.setdefault("format", "int64")
    return result


def _without_none(value: Any) -> Any:
    """Defaults as the API server writes them: absent rather than null."""
    if isinstance(value, Mapping):
        return {key: _without_none(child) for key, child in value.items() if child is not None}
    return value


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return structural(schema, schema.get("$defs", {}))


def definition(plural: str) -> dict[str, Any]:
    """The CustomResourceDefinition of one resource."""
    resource = RESOURCES[plural]
    schema = _schema_of(resource["model"])
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        **schema["properties"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "weir"}},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": resource["kind"],
                "plural": plural,
                "singular": resource["singular"],
                "shortNames": [resource["short"]],
                "categories": ["weir"],
            },
            "scope": resource["scope"],
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": resource["columns"],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def to_yaml(value: Any, indent: int = 0) -> str:
    """YAML in block style with JSON scalars: enough for a CRD, and the contract keeps to pydantic alone."""
    pad = "  " * indent
    if isinstance(value, Mapping) and value:
        return "".join(
            f"{pad}{json.dumps(key) if key.startswith('$') else key}:{_child(child, indent)}"
            for key, child in value.items()
        )
    if isinstance(value, list) and value:
        return "".join(f"{pad}-{_child(child, indent)}" for child in value)
    return f"{pad}{json.dumps(value, ensure_ascii=False)}\n"


def _child(value: Any, indent: int) -> str:
    if isinstance(value, Mapping | list) and value:
        return "\n" + to_yaml(value, indent + 1)
    return " " + to_yaml(value).lstrip()


def render(plural: str) -> str:
    """The YAML file of one resource."""
    return _HEADER + to_yaml(definition(plural))


def main() -> None:
    """Write every CRD to the folder given."""
    folder = Path(sys.argv[1])
    for plural in RESOURCES:
        (folder / f"{plural}.yaml").write_text(render(plural))


if __name__ == "__main__":
    main()
