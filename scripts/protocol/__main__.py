"""Begin a protocol: `make protocol NAME=x` makes its folder, its tests and its line in the registry, which all pass."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TEMPLATE: Final = Path(__file__).parent / "template"
#: What of the template goes where; `name` is the protocol's.
FILES: Final = {
    "__init__.py.txt": "node-probe/src/weir_probe/protocols/name/__init__.py",
    "detect.py.txt": "node-probe/src/weir_probe/protocols/name/detect.py",
    "detect.pxd.txt": "node-probe/src/weir_probe/protocols/name/detect.pxd",
    "parse.py.txt": "node-probe/src/weir_probe/protocols/name/parse.py",
    "parse.pxd.txt": "node-probe/src/weir_probe/protocols/name/parse.pxd",
    "test.py.txt": "node-probe/tests/protocols/test_name.py",
}
REGISTRY: Final = "node-probe/src/weir_probe/protocols/registry.py"


def begin(name: str, root: Path = ROOT) -> list[Path]:
    """Make a protocol of this name; returns its files. ValueError: the name is none, or there is such a protocol."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,30}", name):
        raise ValueError(f"{name}: a name is lower-case letters and digits")
    registry = root / REGISTRY
    before = registry.read_text()
    after = re.sub(r"(NAMES: Final = \((?:\n    \"\w+\",)*)\n\)", rf'\1\n    "{name}",\n)', before)
    if after == before:
        raise ValueError(f"{registry}: has no list of names")
    made = {root / target.replace("name", name): TEMPLATE / source for source, target in FILES.items()}
    there = sorted(str(path) for path in made if path.exists())
    if there or f'"{name}"' in before:
        raise ValueError(f"{name}: there is such a protocol: {', '.join(there) or registry}")
    for path, source in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.read_text().replace("Sample", name.capitalize()).replace("sample", name))
    registry.write_text(after)
    modules = [path for path in made if path.suffix == ".py"]  # which of their imports comes first depends on the name
    subprocess.run([sys.executable, "-m", "ruff", "check", "-q", "--fix", "--select=I", *modules], cwd=root, check=True)
    return list(made)


def main() -> int:
    parser = argparse.ArgumentParser(prog="protocol", description=__doc__)
    parser.add_argument("name")
    try:
        made = begin(parser.parse_args().name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(*(path.relative_to(ROOT) for path in made), REGISTRY, sep="\n")
    print("docs/adding-a-protocol.md says what comes next.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
