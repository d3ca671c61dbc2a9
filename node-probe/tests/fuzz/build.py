"""The probe's compiled modules once more, for fuzzing: by clang, with coverage, and with every index checked."""

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
#: What stands between bytes and calls; the rest runs uncompiled.
MODULES: Final = ("wire/*.pxd", "streams/*.pxd", "protocols/**/*.pxd")

_SETUP: Final = """
from pathlib import Path
from Cython.Build import cythonize
from setuptools import Extension, setup

pxds = sorted(pxd for modules in {modules!r} for pxd in Path("weir_probe").glob(modules))
flags = ["-O1", "-g0", "-fsanitize=fuzzer-no-link", "-fno-strict-aliasing", "-Wno-unused-function"]
setup(
    packages=[],
    script_args=["-q", "build_ext", "--inplace", "--build-temp=../temp", "--parallel=2"],
    ext_modules=cythonize(
        [Extension(".".join(pxd.with_suffix("").parts), [str(pxd.with_suffix(".py"))], extra_compile_args=flags)
         for pxd in pxds],
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
    for source in SOURCES.rglob("*"):
        copy = site / source.relative_to(SOURCES)
        if source.suffix in (".py", ".pxd") and (not copy.exists() or copy.read_bytes() != source.read_bytes()):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    for copy in site.rglob("*.p[yx]*"):
        if copy.suffix in (".py", ".pxd") and not (SOURCES / copy.relative_to(site)).exists():
            copy.unlink()
    subprocess.run(
        [sys.executable, "-c", _SETUP.format(modules=MODULES)],
        env={"CC": "clang", "LDSHARED": "clang -shared", "PATH": "/usr/bin:/bin"},
        cwd=site,
        check=True,
    )
    program, source = BUILD / "fuzzer", Path(__file__).with_name("libfuzzer.c")
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        library = sysconfig.get_config_var("LDLIBRARY").removeprefix("lib").removesuffix(".so")
        flags = [f"-I{sysconfig.get_path('include')}", f"-L{sysconfig.get_config_var('LIBDIR')}", f"-l{library}"]
        command = ["clang", "-O1", "-fsanitize=fuzzer", "-rdynamic", str(source), *flags, "-o", str(program)]
        subprocess.run(command, check=True)
    return program
