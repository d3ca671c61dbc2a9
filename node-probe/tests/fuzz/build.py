"""The probe's modules compiled once more, for fuzzing: by clang, with coverage, and with every index checked."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
SOURCES: Final = ROOT / "node-probe/src"
BUILD: Final = ROOT / "build/fuzz"
#: What stands between bytes and lines, and the harness: also what the probe runs uncompiled, so that its edges count.
MODULES: Final = (
    "weir_probe/wire/*.pxd",
    "weir_probe/streams/*.pxd",
    "weir_probe/protocols/**/[!_]*.py",
    "weir_probe/export/jsontext.pxd",
    "weir_probe/export/calls/lines.pxd",
    "fuzz/harness.pxd",
)
_HERE: Final = Path(__file__).parent
_INSTRUMENTED: Final = _HERE / "instrumented.txt"
#: Edges alone: what -fsanitize=fuzzer-no-link tells besides, of comparisons and calls, took 22 % of the time.
_FLAGS: Final = (
    *("-O1", "-g0", "-fno-strict-aliasing", "-Wno-unused-function", "-Wno-sign-compare"),
    "-fsanitize-coverage=inline-8bit-counters,pc-table",
    f"-fsanitize-coverage-allowlist={_INSTRUMENTED}",
)

_SETUP: Final = """
from pathlib import Path
from Cython.Build import cythonize
from setuptools import Extension, setup

modules = sorted({{path.with_suffix("") for modules in {modules!r} for path in Path().glob(modules)}})
setup(
    packages=[],
    script_args=["-q", "build_ext", "--inplace", "--build-temp=../temp", "--parallel=2"],
    ext_modules=cythonize(
        [Extension(".".join(module.parts), [f"{{module}}.py"], extra_compile_args={flags!r}, depends={depends!r})
         for module in modules],
        build_dir="../cython",
        nthreads=2,
        compiler_directives={{
            "language_level": "3", "boundscheck": True, "wraparound": False, "cdivision": False,
            "initializedcheck": True, "annotation_typing": False,
        }},
    ),
)
"""


def fuzzer() -> Path:
    """The program that fuzzes, built of what has changed. Raises CalledProcessError where clang cannot."""
    site = BUILD / "site"
    found = [*SOURCES.rglob("*.py"), *SOURCES.rglob("*.pxd")]
    copies = {site / source.relative_to(SOURCES): source for source in found}
    copies |= {site / "fuzz" / source.name: source for source in _HERE.glob("harness.p*")}
    for copy, source in copies.items():
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    for copy in {*site.rglob("*.py"), *site.rglob("*.pxd")} - copies.keys():
        copy.unlink()
    setup = _SETUP.format(modules=MODULES, flags=list(_FLAGS), depends=[__file__, str(_INSTRUMENTED)])
    subprocess.run(
        [sys.executable, "-c", setup],
        env={"CC": "clang", "LDSHARED": "clang -shared", "PATH": "/usr/bin:/bin"},
        cwd=site,
        check=True,
    )
    program, source = BUILD / "fuzzer", _HERE / "libfuzzer.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        library = sysconfig.get_config_var("LDLIBRARY").removeprefix("lib").removesuffix(".so")
        flags = [f"-I{sysconfig.get_path('include')}", f"-L{sysconfig.get_config_var('LIBDIR')}", f"-l{library}"]
        command = ["clang", "-O1", "-fsanitize=fuzzer", "-rdynamic", str(source), *flags, "-o", str(program)]
        subprocess.run(command, check=True)
    return program
