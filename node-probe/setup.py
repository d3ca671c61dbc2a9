"""Build what is compiled: every module with a .pxd beside it (Cython), every *.bpf.c (clang)."""

import os
import subprocess
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
os.chdir(ROOT)
SRC = Path("src")
BPF_CFLAGS = ["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror"]


def compiled_modules() -> list[Extension]:
    """A module is compiled when it has a .pxd; the same .py runs uncompiled for debugging."""
    sources = sorted(pxd.with_suffix(".py") for pxd in SRC.rglob("*.pxd") if pxd.with_suffix(".py").exists())
    return [
        Extension(
            ".".join(source.relative_to(SRC).with_suffix("").parts),
            [str(source)],
            extra_compile_args=["-O3", "-g0", "-fno-strict-aliasing", "-Wno-unused-function"],
        )
        for source in sources
    ]


def build_bpf() -> None:
    """Compile each BPF program when it, or a header beside it, is newer than its object."""
    machine = sysconfig.get_platform().removeprefix("linux-")  # the target's when cross-compiling
    arch = {"x86_64": "x86", "aarch64": "arm64"}.get(machine, machine)
    for source in sorted(SRC.rglob("*.bpf.c")):
        target = source.with_suffix(".o")
        inputs = [source, *source.parent.glob("*.h")]
        if target.exists() and target.stat().st_mtime >= max(i.stat().st_mtime for i in inputs):
            continue
        include = f"/usr/include/{machine}-linux-gnu"
        subprocess.run(
            ["clang", *BPF_CFLAGS, f"-D__TARGET_ARCH_{arch}", f"-I{include}", "-c", str(source), "-o", str(target)],
            check=True,
        )


class BuildPy(build_py):
    def run(self) -> None:
        build_bpf()
        super().run()


class BuildExt(build_ext):
    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        build_bpf()
        super().run()


setup(
    package_dir={"": "src"},
    packages=find_packages("src"),
    package_data={"weir_probe": ["py.typed", "**/*.pxd", "bpf/*.c", "bpf/*.h", "bpf/*.o"]},
    ext_modules=cythonize(
        compiled_modules(),
        build_dir="build/cython",
        nthreads=os.cpu_count() or 1,
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "annotation_typing": False,
        },
    ),
    cmdclass={"build_py": BuildPy, "build_ext": BuildExt},
)
