"""The reference pages, made from the models: `python -m weir_api.docs FOLDER` writes them."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from weir_api import API_VERSION
from weir_api.admission import HONOURED
from weir_api.crd import RESOURCES
from weir_api.records import CallRecord, FlowRecord

_HEADER: Final = "<!-- Generated from api/ by `make crds`. Do not edit. -->\n"

#: Definitions that another page describes: the page and the field there.
_ELSEWHERE: Final = {
    "Selector": ("flowobservation.md", "spec.selector"),
    "FlowLogs": ("flowobservation.md", "spec.signals.flowLogs"),
    "CallLogs": ("flowobservation.md", "spec.signals.callLogs"),
    "Protocols": ("flowobservation.md", "spec.protocols"),
    "Redaction": ("flowobservation.md", "spec.redaction"),
    "L7ProtocolSpec": ("l7protocol.md", "spec"),
}
_UNCHECKED: Final = "x-kubernetes-preserve-unknown-fields"
_BOUNDS: Final = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} entries",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One field: where it is, what it may hold and what it means."""

    path: str
    type: str
    required: bool
    default: str
    constraints: str
    description: str
    rules: list[str] = field(default_factory=list)


def rows(model: type[BaseModel], page: str) -> list[Row]:
    """Every field of a model, in the order of its definition; what another page describes is named and not repeated."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return list(_walk("", schema, schema.get("$defs", {}), page))


def _walk(
    path: str, schema: Mapping[str, Any], definitions: Mapping[str, Any], page: str, *, unchecked: bool = False
) -> Iterator[Row]:
    for name, child in schema.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        resolved, reference = _resolve(child, definitions)
        items, item_reference = _resolve(resolved.get("items", {}), definitions)
        link = _link(reference or item_reference, page)
        below = unchecked or _UNCHECKED in resolved
        yield Row(
            path=place,
            type=_type(resolved, items),
            required=name in schema.get("required", ()),
            default=_default(child),
            constraints="; ".join(_constraints(resolved, items)),
            description=(child.get("description") or resolved.get("description", "")) + link,
            rules=[] if below else [rule["message"] for rule in resolved.get("x-kubernetes-validations", ())],
        )
        if not link:
            yield from _walk(place, resolved, definitions, page, unchecked=below)
            yield from _walk(f"{place}[]", items, definitions, page, unchecked=below)


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """A schema without references and null, and the name of the definition that it came from."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        return _resolve(options[0], definitions)
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return definitions[name], name
    return schema, ""


def _link(definition: str, page: str) -> str:
    target, place = _ELSEWHERE.get(definition, ("", ""))
    return f" Fields as `{place}` in [{target}]({target})." if target and target != page else ""


def _type(schema: Mapping[str, Any], items: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(option["type"] for option in schema["anyOf"])
    if "patternProperties" in schema:
        return "map of strings"
    if schema.get("type") == "array":
        return f"list of {_type(items, {})}s"
    if schema.get("x-weir-type", "").startswith("duration"):
        return "duration"
    return "time" if schema.get("format") == "date-time" else str(schema["type"])


def _default(schema: Mapping[str, Any]) -> str:
    value = schema.get("default")
    return "" if value is None or isinstance(value, dict) else f"`{json.dumps(value)}`"


def _constraints(schema: Mapping[str, Any], items: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in schema:
        yield "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "x-weir-type" in schema:  # says it all, lengths and pattern too
        yield str(schema["x-weir-type"])
        return
    for keyword, text in _BOUNDS.items():
        if keyword in schema:
            yield text.format(schema[keyword])
    if "pattern" in schema:
        yield f"`{schema['pattern']}`"
    if _UNCHECKED in schema:
        yield "checked by its reader, not by the API server"
    if items and "properties" not in items:
        of_item = list(_constraints(items, {}))
        if of_item:
            yield "each " + ", ".join(of_item)


def supported(path: str) -> str:
    """Whether this version honours a field of a FlowObservation: yes, no (it is refused when set), or in part."""
    if not path.startswith("spec."):
        return "yes"
    place = path.removeprefix("spec.").replace("[]", "")
    if any(place == honoured or place.startswith(f"{honoured}.") for honoured in HONOURED):
        return "yes"
    return "in part" if any(honoured.startswith(f"{place}.") for honoured in HONOURED) else "no"


def _table(fields: list[Row], *, with_support: bool) -> Iterator[str]:
    heads = ["Field", "Type", "Default", "Constraints", "Meaning", *(["Supported now"] if with_support else [])]
    yield _line(heads)
    yield _line(["---"] * len(heads))
    for row in fields:
        default = "required" if row.required else row.default
        cells = [f"`{row.path}`", row.type, default, row.constraints, row.description]
        yield _line([*cells, supported(row.path)] if with_support else cells)
    ruled = [row for row in fields if row.rules]
    if ruled:
        yield "\nRules that the API server checks:\n"
        yield from (f"- `{row.path}`: {'; '.join(row.rules)}" for row in ruled)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def resource_page(plural: str) -> str:
    """The page of one resource."""
    resource = RESOURCES[plural]
    kind, page = resource["kind"], f"{resource['singular']}.md"
    fields = rows(resource["model"], page)
    scope = "namespaced" if resource["scope"] == "Namespaced" else "cluster-scoped"
    lines = [
        f"# {kind}\n",
        f"`{API_VERSION}`, {scope}, short name `{resource['short']}`, category `weir`.\n",
        f"{resource['model'].__doc__}\n",
    ]
    if kind == "FlowObservation":
        lines.append(
            "A field that is not supported now is refused when set: `Accepted=False`, reason `NotSupportedYet`.\n"
        )
    if kind == "L7Protocol":
        lines.append("This version refuses every L7Protocol: `Accepted=False`, reason `NotSupportedYet`.\n")
    for part in ("spec", "status"):
        lines.append(f"## {part}\n")
        chosen = [row for row in fields if row.path == part or row.path.startswith(f"{part}.")]
        lines.extend(_table(chosen, with_support=kind == "FlowObservation" and part == "spec"))
        lines.append("")
    lines.append("## Columns of `kubectl get`\n")
    lines.append(_line(["Column", "Meaning", "Shown"]))
    lines.append(_line(["---"] * 3))
    lines.extend(
        _line([column["name"], column["description"], "with `-o wide`" if column["priority"] else "always"])
        for column in resource["columns"]
    )
    return _HEADER + "\n".join(lines) + "\n"


def record_page(title: str, model: type[FlowRecord | CallRecord]) -> str:
    """The page of a log."""
    table = "\n".join(_table(rows(model, "records.md"), with_support=False))
    return f"{_HEADER}# {title}\n\n{model.__doc__}\n\n{table}\n"


def pages() -> dict[str, str]:
    """Every reference page by its file name."""
    of_resources = {f"{resource['singular']}.md": resource_page(plural) for plural, resource in RESOURCES.items()}
    return {
        **of_resources,
        "records.md": record_page("Flow records", FlowRecord),
        "calls.md": record_page("Call records", CallRecord),
    }


def main() -> None:
    """Write every page to the folder given."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
