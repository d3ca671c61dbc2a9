"""The tar of an image: the same files are the same bytes, from a folder or an engine's tar; every reader finds it."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from images import archive, engine
from images.sbom import read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("b/z", "b.d/x", "a/y/one", "dev/null", "a/two"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "a/hard").hardlink_to(root / "a/two")
    (root / "a/soft").symlink_to("two")
    (root / "a/two").chmod(0o755)
    return root


def test_a_folder_and_its_tar_are_the_same_image(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "files.tar", "w") as files:
        files.add(folder, arcname=".")
    config = archive.Config(entrypoint=["x"])
    first = archive.write(tmp_path / "1.tar", "x:1", [folder], config)
    for file in folder.rglob("*"):
        os.utime(file, (2e9, 2e9), follow_symlinks=False)
    second = archive.write(tmp_path / "2.tar", "x:1", [tmp_path / "files.tar"], config)
    third = archive.write(tmp_path / "3.tar", "x:1", [folder], config)
    assert first == second == third
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes() == (tmp_path / "3.tar").read_bytes()
    assert archive.write(tmp_path / "4.tar", "x:1", [folder], config, "arm64") != first


def test_files_keep_their_kinds_and_modes_and_dev_is_left_out(folder: Path, tmp_path: Path) -> None:
    archive.write_layer(tmp_path / "layer", folder)
    with tarfile.open(tmp_path / "layer") as layer:
        entries = {entry.name: entry for entry in layer}
    assert sorted(entries) == ["a", "a/hard", "a/soft", "a/two", "a/y", "a/y/one", "b", "b.d", "b.d/x", "b/z", "dev"]
    assert entries["a/soft"].linkname == "two"
    assert entries["a/two"].islnk()
    assert entries["a/hard"].mode == 0o755
    assert {entry.mtime for entry in entries.values()} == {0}


def test_both_documents_name_it(folder: Path, tmp_path: Path) -> None:
    digest = archive.write(tmp_path / "x.tar", "weir-x:1.2", [folder], archive.Config(user="1:1", ports=["80/tcp"]))
    with tarfile.open(tmp_path / "x.tar") as image:
        [oci] = json.loads(read(image, "index.json"))["manifests"]
        [docker] = json.loads(read(image, "manifest.json"))
        manifest = json.loads(read(image, f"blobs/{digest.replace(':', '/')}"))
        config = json.loads(read(image, docker["Config"]))
    assert oci["digest"] == digest
    assert oci["annotations"]["io.containerd.image.name"] == "docker.io/library/weir-x:1.2"
    assert docker["RepoTags"] == ["weir-x:1.2"]
    assert docker["Layers"] == [f"blobs/{layer['digest'].replace(':', '/')}" for layer in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert config["config"]["User"] == "1:1"
    assert config["config"]["ExposedPorts"] == {"80/tcp": {}}


@pytest.mark.root
def test_a_whiteout_of_an_overlay_is_refused(folder: Path, tmp_path: Path) -> None:
    os.mknod(folder / "a/gone", 0o20000, os.makedev(0, 0))
    with pytest.raises(ValueError, match="a/gone is a device"):
        archive.write_layer(tmp_path / "layer", folder)


@pytest.mark.parametrize("names", [("docker",), ("docker", "podman")])
def test_a_client_without_its_daemon_is_no_engine(
    names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        (tmp_path / name).write_text("#!/bin/sh\necho 'cannot connect' >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engine.find() == engine.NONE
