"""Fuzz a protocol with libFuzzer: `make fuzz PROTOCOL=http1 RUNS=1000000`. Ends with 0 when nothing was found."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fuzz.build import BUILD, ROOT, fuzzer
from fuzz.harness import MAX_INPUT
from fuzz.seeds import CORPUS, corpus_of, seeds_of_captures, seeds_of_tests
from weir_probe.protocols.registry import NAMES

#: How often an edge is taken does not count, and inputs are weighed by no entropy: 100,000 inputs for HTTP/1 took 7 s
#: instead of 24 s and reached more (4,552 edges, not 4,504), because five times fewer inputs were worth keeping. Nobody
#: else writes to the folder.
FAST: Final = ("-use_counters=0", "-entropic=0", "-reload=0")


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("protocol", choices=NAMES)
    parser.add_argument("--runs", type=int, default=100_000, help="inputs; -1: until it is stopped")
    parser.add_argument("--keep", action="store_true", help="write the inputs that reach something to the corpus")
    options = parser.parse_args()
    program = fuzzer()
    inputs = BUILD / "inputs" / options.protocol
    inputs.mkdir(parents=True, exist_ok=True)
    for seeds in corpus_of(options.protocol), seeds_of_captures(options.protocol), seeds_of_tests(options.protocol):
        _write(inputs, seeds)
    failed = fuzz(program, options.protocol, inputs, f"-runs={options.runs}")
    if options.keep and not failed:
        least = BUILD / "least" / options.protocol
        least.mkdir(parents=True, exist_ok=True)
        for old in least.iterdir():
            old.unlink()
        failed = fuzz(program, options.protocol, least, "-merge=1", str(inputs))
        _keep(options.protocol, least)
    return failed


def fuzz(program: Path, protocol: str, inputs: Path, *arguments: str) -> int:
    """Run libFuzzer on a folder of inputs; what it finds is written to build/fuzz/."""
    paths = [BUILD / "site", Path(__file__).parents[1], Path(sysconfig.get_path("purelib")), ROOT / "api/src"]
    limits = [f"-max_len={MAX_INPUT}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]
    done = subprocess.run(
        [program, str(inputs), *arguments, *limits, *FAST, f"-artifact_prefix={BUILD}/{protocol}-"],
        env={**os.environ, "WEIR_FUZZ": protocol, "PYTHONPATH": ":".join(map(str, paths)), "PYTHONHASHSEED": "0"},
        check=False,
    )
    return done.returncode


def _write(folder: Path, inputs: Iterable[bytes]) -> None:
    for data in inputs:
        (folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)


def _keep(protocol: str, folder: Path) -> None:
    with zipfile.ZipFile(CORPUS / f"{protocol}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    sys.exit(main())
