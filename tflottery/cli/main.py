"""`run`: the console entry, from arguments to an exit code.

Errors of a user are one message without a traceback; an interrupted search
says how to go on.

Exit codes: 0 done; 1 the machine or the training failed (no disk space, a loss
that is no number, a worker lost, a package not installed); 2 the command line
or a file in its way is wrong, or others do the work; 130 interrupted by Ctrl-C,
143 by SIGTERM, which schedulers send before they take a machine away.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import metadata

from tflottery.cli import commands, flags, help
from tflottery.core import checks

PROGRAM = "tflottery"
_HELP = ("--help", "-h", "-help", "help")


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        arguments: The words after the program's name. Defaults to `None`,
            those of this process.

    Returns:
        The exit code.

    Example:
        >>> run(["--help"])  # doctest: +ELLIPSIS
        tflottery finds lottery tickets in Keras models...
        0
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in _HELP:
        text = help.overview(
            (c.name, c.summary) for c in commands.COMMANDS.values()
        )
        print(text, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"{PROGRAM} {_version()}")
        return 0
    name, *rest = arguments
    try:
        checks.check_choice(
            "command",
            name,
            tuple(commands.COMMANDS),
            way_out=f"`{PROGRAM} --help` says what they do.",
        )
    except ValueError as error:
        return _fail(PROGRAM, error, 2)
    return _run_command(commands.COMMANDS[name], rest)


def _version() -> str:
    try:
        return metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:
        return "(not installed, run from its source)"


def _run_command(command: commands.Command, arguments: list[str]) -> int:
    values = command.flags()
    speaker = f"{PROGRAM} {command.name}"
    asked = [a if a not in ("-h", "-help") else "--help" for a in arguments]
    try:
        words = flags.parse(values, asked)
        if values["help"].value:
            print(command.explain(values))
            return 0
        _heed_sigterm()
        return command.execute(values, words)
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, _Terminated):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it was heard
        if command.on_interrupt:
            line = shlex.join([PROGRAM, command.name, *arguments])
            _say(f"\n{command.on_interrupt}:\n  {line}")
        return 143 if isinstance(interrupt, _Terminated) else 130
    except BrokenPipeError:  # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        code = _exit_code(error)
        if code is None or values["traceback"].value:
            raise
        return _fail(speaker, error, code)


class _Terminated(KeyboardInterrupt):
    """The machine is about to go; what is held is let go as by Ctrl-C."""


def _heed_sigterm() -> None:
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number, frame):
        # Raised inside a callback of some library it may be swallowed there.
        again = threading.Timer(10, os.kill, (os.getpid(), signal.SIGTERM))
        again.daemon = True
        again.start()
        raise _Terminated

    signal.signal(signal.SIGTERM, end)


def _exit_code(error: Exception) -> int | None:
    """Returns the exit code of an error that needs no traceback."""
    if isinstance(error, ValueError):
        return 2
    if isinstance(error, TypeError) and "Received: " in str(error):
        return 2  # A wrong option in a JSON flag, said in our words.
    if isinstance(error, OSError):
        return 1
    if isinstance(error, ImportError) and "pip install" in str(error):
        return 1  # A package that not everyone needs, said in our words.
    if type(error).__module__.partition(".")[0] == PROGRAM:
        return 1
    return None


def _fail(speaker: str, error: Exception, code: int) -> int:
    _say(f"{speaker}: {error}")
    return code


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run())
