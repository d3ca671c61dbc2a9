"""`signals.metrics.labels`: what of a pod and its namespace metrics carry, and under which name.

An entry says where a value stands and what it is called there: `pod/app.kubernetes.io/version`,
`namespace-annotation/team`. Its Prometheus label is made of both: `pod_label_app_kubernetes_io_version`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import Field

from weir_api.base import LABEL_KEY

_ENTRY: Final = rf"^(pod|namespace)(-annotation)?/{LABEL_KEY.removeprefix('^')}"
MetricLabel = Annotated[
    str,
    Field(max_length=338, pattern=_ENTRY, json_schema_extra={"x-weir-type": "entry such as pod/app, namespace/team"}),
]

#: Of a value, what a metric carries: a label has no more (63 characters), an annotation may have 256 KiB.
MAX_VALUE: Final = 128


def of_namespace(entry: str) -> bool:
    """Whether an entry is about the namespace and not the pod."""
    return entry.startswith("namespace")


def prometheus_name(entry: str) -> str:
    """The Prometheus label of an entry; different entries may have the same."""
    source, _, key = entry.partition("/")
    owner, _, annotation = source.partition("-")
    return f"{owner}_{annotation or 'label'}_{re.sub('[^A-Za-z0-9]', '_', key)}"


def values(entries: Iterable[str], labels: Mapping[str, str], annotations: Mapping[str, str]) -> dict[str, str]:
    """What one object has of `entries` that are about it, by entry; what it has not is left out."""
    found = {}
    for entry in entries:
        source, _, key = entry.partition("/")
        value = (annotations if source.endswith("-annotation") else labels).get(key)
        if value:
            found[entry] = value[:MAX_VALUE]
    return found
