"""Child processes that never outlive the tests that started them, not even when those are killed."""

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# PR_SET_PDEATHSIG fires when the *thread* that forked the child ends (prctl(2)), so one thread that lives as long as
# the interpreter starts them all: a test may call spawn() from a thread that ends before the child should.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def spawn(argv: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    """Start a program as `subprocess.Popen` does (text mode); the kernel kills it with SIGKILL when this process ends.

    A program that does not exist is seen as exit status 127, since `setpriv` stands between.
    """
    # SIGHUP as by default, also where the tests were started by nohup
    command = ["env", "--default-signal=HUP", "setpriv", "--pdeathsig", "KILL", "--", *argv]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, text=True, **options)

    return _spawner.submit(start).result()


def kill(process: subprocess.Popen[str]) -> None:
    """End a process at once and reap it; one that has ended already is only reaped."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
