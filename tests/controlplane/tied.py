"""Run a command that dies with the process that started it: ``python tied.py PARENT_PID COMMAND...``

A test process that is killed cannot clean up after itself, and a forgotten kube-apiserver holds memory and a port. On
Linux the kernel can be asked to end a child with its parent. The request is made here, after exec, and not in
``preexec_fn``, which is unsafe in a process with threads. Elsewhere only an orderly ``stop()`` ends the command.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie(parent: int) -> None:
    """Have this process die with its parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the request was made
            sys.exit(1)


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    tie(parent)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
