"""Runs a program in a terminal of its own: `terminal.py STEPS PROGRAM ARG…`.

STEPS is a JSON list of ["see", TEXT], which waits until the terminal has shown the text since the step
before, ["type", TEXT], and ["interruptible", ""], which waits until Ctrl-C is a signal, as it is while
the program does not read keys. At the end the program must have ended by itself. What it showed is printed.
"""

import json
import os
import pty
import select
import sys
import termios
import time

LIMIT = 120.0


def main() -> int:
    steps, command = json.loads(sys.argv[1]), sys.argv[2:]
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    shown, seen = b"", 0
    deadline = time.monotonic() + LIMIT

    def more() -> bool:
        nonlocal shown
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            return False
        shown += piece
        return bool(piece)

    try:
        for kind, text in steps:
            if kind == "type":
                os.write(terminal, text.encode())
                continue
            if kind == "interruptible":
                while not termios.tcgetattr(terminal)[3] & termios.ISIG:
                    if time.monotonic() > deadline:
                        raise TimeoutError
                    select.select([], [], [], 0.02)
                continue
            while (at := shown.find(text.encode(), seen)) < 0:
                if not more():
                    print(f"ended before showing {text!r}", file=sys.stderr)
                    sys.stdout.buffer.write(shown)
                    return 1
            seen = at + len(text.encode())
        while more():
            pass
    except TimeoutError:
        print("nothing new was shown for too long", file=sys.stderr)
        sys.stdout.buffer.write(shown)
        return 1
    sys.stdout.buffer.write(shown)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


sys.exit(main())
