"""One tar that containerd, Docker, podman, kind, k3d and skopeo load: an OCI layout (image-spec v1.1) that has
Docker's manifest.json beside it.

The same files give the same bytes: entries are sorted, owners are numbers, times are cut at `SOURCE_DATE_EPOCH`
(default 0, the beginning of 1970).
"""

import hashlib
import json
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

MEDIA: Final = "application/vnd.oci.image"


@dataclass(frozen=True)
class Config:
    """What a runtime is told about an image; words as in a Dockerfile."""

    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = "/"
    ports: Sequence[str] = ()  # "8080/tcp"
    labels: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The `config` object of an OCI image configuration."""
        return {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.ports},
            "Env": [f"{name}={value}" for name, value in self.env.items()],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "WorkingDir": self.workdir,
            "Labels": dict(self.labels),
        }


def write(target: Path, name: str, layers: Sequence[Path], config: Config, architecture: str = "amd64") -> str:
    """Write the image `name` (`weir-probe:0.1.0`) as a tar; return its digest, the `sha256:…` of its manifest.

    Each layer is a folder that is the root of a file system, the lowest first. `/dev` is left to the runtime.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as work:
        blobs = Blobs(Path(work))
        stored = [blobs.add_layer(layer) for layer in layers]
        digests = [descriptor["digest"] for descriptor in stored]
        configuration = blobs.add(
            f"{MEDIA}.config.v1+json",
            {
                "architecture": architecture,
                "os": "linux",
                "created": created(),
                "config": config.document(),
                "rootfs": {"type": "layers", "diff_ids": digests},
            },
        )
        manifest_type = f"{MEDIA}.manifest.v1+json"
        manifest = blobs.add(
            manifest_type,
            {"schemaVersion": 2, "mediaType": manifest_type, "config": configuration, "layers": stored},
        )
        named = {
            **manifest,
            "platform": {"architecture": architecture, "os": "linux"},
            "annotations": {
                "io.containerd.image.name": full_name(name),
                "org.opencontainers.image.ref.name": name.rpartition(":")[2],
            },
        }
        path = {digest: f"blobs/{digest.replace(':', '/')}" for digest in (*digests, configuration["digest"])}
        documents = {
            "oci-layout": {"imageLayoutVersion": "1.0.0"},
            "index.json": {"schemaVersion": 2, "mediaType": f"{MEDIA}.index.v1+json", "manifests": [named]},
            "manifest.json": [
                {
                    "Config": path[configuration["digest"]],
                    "RepoTags": [name],
                    "Layers": [path[digest] for digest in digests],
                }
            ],
        }
        ready = Path(work) / "image.tar"
        with tarfile.open(ready, "w", format=tarfile.PAX_FORMAT) as archive:
            for file, document in documents.items():
                add_bytes(archive, file, encoded(document))
            for blob in sorted(blobs.folder.iterdir()):
                with blob.open("rb") as content:
                    add_file(archive, f"blobs/sha256/{blob.name}", content, blob.stat().st_size)
        ready.replace(target)
    return str(manifest["digest"])


class Blobs:
    """Content by digest, in a folder."""

    def __init__(self, work: Path) -> None:
        self.folder = work / "blobs"
        self.folder.mkdir()

    def add(self, media_type: str, document: object) -> dict[str, Any]:
        content = encoded(document)
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def add_layer(self, folder: Path) -> dict[str, Any]:
        ready = self.folder / "layer"
        write_layer(ready, folder)
        with ready.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        size = ready.stat().st_size
        ready.replace(self.folder / digest)
        return {"mediaType": f"{MEDIA}.layer.v1.tar", "digest": f"sha256:{digest}", "size": size}


def write_layer(target: Path, folder: Path) -> None:
    """Write a folder as a layer: everything in it but `/dev`'s content and sockets."""
    latest = epoch()
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in walk(folder):
            entry = archive.gettarinfo(path, arcname=str(path.relative_to(folder)))
            entry.uname = entry.gname = ""
            entry.mtime = min(int(entry.mtime), latest)
            if entry.isreg():
                with path.open("rb") as content:
                    archive.addfile(entry, content)
            else:
                archive.addfile(entry)


def walk(folder: Path) -> Iterator[Path]:
    """Every directory, file and link below a folder, sorted by path.

    Raises ValueError for a device outside `/dev`: an overlay's whiteout is one, and is no file of an image.
    """
    for where, directories, files in os.walk(folder):
        here = Path(where)
        if here == folder / "dev":
            directories.clear()
            continue
        directories.sort()
        for name in sorted([*directories, *files]):
            path = here / name
            mode = path.lstat().st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                raise ValueError(f"{path}: a device; only /dev, which a runtime fills, may hold one")
            if not stat.S_ISSOCK(mode):
                yield path


def full_name(name: str) -> str:
    """A name as containerd and the CRI store it: `weir-probe:1` is `docker.io/library/weir-probe:1`."""
    registry, slash, _ = name.partition("/")
    if slash and (registry == "localhost" or "." in registry or ":" in registry):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def epoch() -> int:
    """The latest time that an image states, in Unix seconds (reproducible-builds.org, SOURCE_DATE_EPOCH)."""
    return int(os.environ.get("SOURCE_DATE_EPOCH", "0"))


def created() -> str:
    return datetime.fromtimestamp(epoch(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encoded(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    add_file(archive, name, BytesIO(content), len(content))


def add_file(archive: tarfile.TarFile, name: str, content: BinaryIO, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    archive.addfile(entry, content)
