"""The bill of materials of an image, CycloneDX 1.6 in JSON: Debian's packages by dpkg's database, Python's by their
dist-info, and the compiled files of our own. Read from the finished archive, so it says what is in there.
"""

import hashlib
import json
import tarfile
import uuid
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from images.archive import created

OURS: Final = ("weir-",)
STATUS: Final = "var/lib/dpkg/status"
Component = dict[str, Any]


def describe(image: Path) -> dict[str, Any]:
    """The CycloneDX document of an image that `archive.write` wrote."""
    with tarfile.open(image) as archive:
        index = json.loads(read(archive, "index.json"))["manifests"][0]
        manifest = json.loads(read(archive, f"blobs/{index['digest'].replace(':', '/')}"))
        layers = [layer["digest"] for layer in manifest["layers"]]
        files: dict[str, bytes] = {}
        for layer in layers:
            files |= dict(wanted(archive, f"blobs/{layer.replace(':', '/')}"))
    name, _, version = index["annotations"]["io.containerd.image.name"].rpartition("/")[2].partition(":")
    architecture = index["platform"]["architecture"]
    whole = {
        "bom-ref": index["digest"],
        "type": "container",
        "name": name,
        "version": version,
        "purl": f"pkg:oci/{name}@{quote(index['digest'], safe='')}?arch={architecture}&tag={version}",
    }
    parts = [*debian(files), *python(files)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, index['digest'])}",
        "version": 1,
        "metadata": {"timestamp": created(), "component": whole},
        "components": parts,
        "dependencies": [{"ref": whole["bom-ref"], "dependsOn": sorted(part["bom-ref"] for part in parts)}],
    }


def debian(files: dict[str, bytes]) -> Iterator[Component]:
    """One component per package that dpkg's database lists, with the source package that advisories name."""
    for paragraph in files.get(STATUS, b"").decode().strip().split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        if not fields["Package"]:
            continue
        name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
        source = (fields["Source"] or name).split(" ")[0]
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?arch={architecture}&distro=debian-12"
        yield {
            "bom-ref": purl,
            "type": "library",
            "name": name,
            "version": version,
            "purl": purl,
            "supplier": {"name": "Debian"},
            "properties": [{"name": "debian:source", "value": source}],
        }


def python(files: dict[str, bytes]) -> Iterator[Component]:
    """One component per dist-info, with the native libraries that came with it."""
    for path in sorted(name for name in files if name.endswith(".dist-info/METADATA")):
        fields = HeaderParser().parsestr(files[path].decode())
        name, version = fields["Name"], fields["Version"]
        ours = name.startswith(OURS)
        purl = f"pkg:{'generic' if ours else 'pypi'}/{name.lower().replace('_', '-')}@{version}"
        record = files[str(PurePosixPath(path).with_name("RECORD"))].decode()
        yield {
            "bom-ref": purl,
            "type": "application" if ours else "library",
            "name": name,
            "version": version,
            "purl": purl,
            **licence(fields["License-Expression"], fields["License"]),
            "components": native(purl, PurePosixPath(path).parents[1], record, files),
        }


def licence(expression: str | None, text: str | None) -> dict[str, Any]:
    """The licence as its author states it: SPDX's expression, or a short name. Classifiers are not guessed from."""
    if expression:
        return {"licenses": [{"expression": expression}]}
    short = (text or "").strip()
    return {"licenses": [{"license": {"name": short}}]} if short and "\n" not in short else {}


def native(owner: str, site: PurePosixPath, record: str, files: dict[str, bytes]) -> list[Component]:
    """The compiled files of a distribution, by digest."""
    found = []
    for line in record.splitlines():
        name = line.split(",")[0]
        content = files.get(str(site / name))
        if content is not None and is_native(name):
            digest = hashlib.sha256(content).hexdigest()
            found.append(
                {
                    "bom-ref": f"{owner}#{name}",
                    "type": "file",
                    "name": name,
                    "hashes": [{"alg": "SHA-256", "content": digest}],
                }
            )
    return found


def wanted(archive: tarfile.TarFile, layer: str) -> Iterator[tuple[str, bytes]]:
    """The files of a layer that say what is in it, and the compiled ones."""
    content = archive.extractfile(layer)
    assert content is not None, layer
    with tarfile.open(fileobj=content) as inside:
        for entry in inside:
            name = PurePosixPath(entry.name)
            listed = entry.name == STATUS or (
                name.parent.suffix == ".dist-info" and name.name in ("METADATA", "RECORD")
            )
            file = inside.extractfile(entry) if entry.isreg() and (listed or is_native(entry.name)) else None
            if file is not None:
                yield entry.name, file.read()


def is_native(name: str) -> bool:
    return name.endswith((".so", ".bpf.o")) or ".so." in name


def read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, name
    return file.read()
