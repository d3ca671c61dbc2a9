"""One tar that containerd, Docker, podman, kind, k3d and skopeo load: an OCI layout (image-spec v1.1) that has
Docker's manifest.json beside it.

The same files give the same bytes: entries are sorted, owners are numbers, times are cut at `SOURCE_DATE_EPOCH`
(default 0, the beginning of 1970).
"""

import copy
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
from typing import IO, Any, Final

MEDIA: Final = "application/vnd.oci.image"
Entry = tuple[tarfile.TarInfo, IO[bytes] | None]  # of a regular file, its content


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

    Each layer is a folder that is the root of a file system, or a tar of one, the lowest first. `/dev` is left to the
    runtime.
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
                "history": [{"created": created()} for _ in digests],  # buildah takes no base without it
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


def write_layer(target: Path, source: Path) -> None:
    """Write a folder, or a tar of one, as a layer: everything in it but `/dev`'s content and sockets."""
    latest = epoch()
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for entry, content in from_folder(source) if source.is_dir() else from_tar(source):
            if entry.ischr() or entry.isblk():
                # an overlay's whiteout is a device too, and is no file of an image
                raise ValueError(f"{source}: {entry.name} is a device; only /dev, which a runtime fills, may hold one")
            entry.uname = entry.gname = ""
            entry.mtime = min(int(entry.mtime), latest)
            entry.pax_headers = {}
            archive.addfile(entry, content)


def from_folder(folder: Path) -> Iterator[Entry]:
    """What is below a folder, in the order of `os.walk` with sorted names."""
    with tarfile.open(fileobj=BytesIO(), mode="w") as reader:  # it knows hard links again
        for where, directories, files in os.walk(folder):
            directories[:] = sorted(directories) if Path(where) != folder / "dev" else []
            for name in sorted([*directories, *files]) if Path(where) != folder / "dev" else ():
                path = Path(where, name)
                if stat.S_ISSOCK(path.lstat().st_mode):
                    continue
                entry = reader.gettarinfo(path, arcname=str(path.relative_to(folder)))
                if entry.isreg():
                    with path.open("rb") as content:
                        yield entry, content
                else:
                    yield entry, None


def from_tar(path: Path) -> Iterator[Entry]:
    """What an engine's tar of a file system holds, in the order of `from_folder`."""
    with tarfile.open(path) as source:
        inside: dict[str, list[tarfile.TarInfo]] = {}
        files: dict[str, tarfile.TarInfo] = {}
        for entry in source:
            entry.name = plain(entry.name)
            folder, _, _ = entry.name.rpartition("/")
            if entry.name and folder.split("/")[0] != "dev":
                inside.setdefault(folder, []).append(entry)
                files[entry.name] = entry
        written: dict[str, str] = {}  # files with several names, by the name that holds the content: the first here

        def visit(folder: str) -> Iterator[Entry]:
            entries = sorted(inside.get(folder, []), key=lambda entry: entry.name)
            for entry in entries:
                holder = files[plain(entry.linkname)] if entry.islnk() else entry
                if holder.isreg() and holder.name in written:
                    link = copy.copy(holder)
                    link.name, link.type, link.size, link.linkname = (
                        entry.name,
                        tarfile.LNKTYPE,
                        0,
                        written[holder.name],
                    )
                    yield link, None
                elif holder.isreg():
                    written[holder.name] = entry.name
                    file = copy.copy(holder)  # the reader looks its entries up again
                    file.name = entry.name
                    yield file, source.extractfile(holder)
                else:
                    yield entry, None
            for entry in entries:
                if entry.isdir():
                    yield from visit(entry.name)

        yield from visit("")


def plain(name: str) -> str:
    return name.removeprefix("./").strip("/") if name != "." else ""


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


def add_file(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    archive.addfile(entry, content)
