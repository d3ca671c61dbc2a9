"""Compiles and loads flow.bpf.c with BCC and passes the programs' descriptors to its parent, then ends.

Run by the system's own Python, which BCC's module belongs to: it imports nothing of the probe. BCC takes 140 MB and
half a second; both go with this process.

Arguments: the descriptor of a socket to the parent, the source file, then -D and -I flags, `--`, program names.
Answers with one message: a JSON object with `programs`, and their descriptors; or with `error`.
"""

import json
import socket
import sys

SCHED_CLS = 3


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    end = sys.argv.index("--")
    source, flags, programs = sys.argv[2], sys.argv[3:end], sys.argv[end + 1 :]
    try:
        from bcc import BPF

        with open(source, encoding="utf-8") as file:  # noqa: PTH123 - stdlib alone
            compiled = BPF(text=file.read(), cflags=["-Wno-macro-redefined", *flags], allow_rlimit=False)
        fds = [compiled.load_func(name, SCHED_CLS).fd for name in programs]
    except Exception as error:  # told to the parent, whatever it is: BCC raises bare Exception
        socket.send_fds(channel, [json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()], [])
        sys.exit(1)
    socket.send_fds(channel, [json.dumps({"programs": programs}).encode()], fds)


main()
