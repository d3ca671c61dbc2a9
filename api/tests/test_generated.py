"""What is generated from the models is current, and is what a structural schema may be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, Field

from weir_api import crd, docs

ROOT = Path(__file__).parents[2]
CURRENT = "run `make crds`"


@pytest.mark.parametrize("plural", crd.RESOURCES)
def test_crds_are_current(plural: str) -> None:
    assert (ROOT / "crds" / f"{plural}.yaml").read_text() == crd.render(plural), CURRENT


def test_there_is_no_other_crd() -> None:
    assert {file.stem for file in (ROOT / "crds").glob("*.yaml")} - {"kustomization"} == set(crd.RESOURCES)


def test_reference_pages_are_current() -> None:
    found = {file.name: file.read_text() for file in (ROOT / "docs" / "reference").glob("*.md")}
    assert found == docs.pages(), CURRENT


@pytest.mark.parametrize("plural", crd.RESOURCES)
def test_the_yaml_says_what_was_meant(plural: str) -> None:
    assert yaml.safe_load(crd.render(plural)) == crd.definition(plural)


def schemas(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from schemas(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from schemas(schema[key], f"{path}[]")


@pytest.mark.parametrize("plural", crd.RESOURCES)
def test_every_field_is_bounded_and_explained(plural: str) -> None:
    version = crd.definition(plural)["spec"]["versions"][0]
    for path, schema in schemas(version["schema"]["openAPIV3Schema"]):
        if not path.startswith((".spec", ".status")):
            continue
        assert "type" in schema, path
        assert path.endswith("[]") or schema.get("description"), f"{path} has no description"
        if schema["type"] == "array":
            assert "maxItems" in schema, f"{path} is a list without a limit"
        if schema["type"] == "string" and "enum" not in schema and schema.get("format") != "date-time":
            assert "maxLength" in schema, f"{path} is a string without a limit"
        if "additionalProperties" in schema:
            assert "maxProperties" in schema, f"{path} is a map without a limit"
        if path.endswith(".conditions"):
            assert schema["x-kubernetes-list-type"] == "map"
            assert schema["x-kubernetes-list-map-keys"] == ["type"]


class Mixed(BaseModel):
    either: int | str


class Multiple(BaseModel):
    even: int = Field(multiple_of=2)


@pytest.mark.parametrize(("model", "what"), [(Mixed, "several types"), (Multiple, "multipleOf")])
def test_what_a_structural_schema_cannot_say_is_an_error(model: type[BaseModel], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        crd.structural(model.model_json_schema(), {})
