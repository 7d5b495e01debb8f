"""Which process this is, and whether another one is certainly dead.

A process that was killed leaves its files behind, and whoever finds them wants
to know whether to wait. A number alone does not tell: it is given anew after a
restart, and it means another process in another container. So a process is
named by its machine, its number and its start.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import uuid


def _read_line(path: str) -> str:
    """Returns a small text of /proc, or nothing where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _machine() -> str:
    """Names the place in which a process number means one process."""
    boot = _read_line("/proc/sys/kernel/random/boot_id")
    if not boot:  # Two laptops may share a name; their network cards do not.
        boot = f"card {uuid.getnode():x}"
    try:
        space = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        space = "none"
    return f"{socket.gethostname()}/{boot}/{space}"


def _state_and_start(pid: int) -> tuple[str, str]:
    """Returns fields 3 and 22 of /proc/<pid>/stat, or two empty texts."""
    # The second field is a name in parentheses that may hold anything.
    fields = _read_line(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 else ("", "")


def _is_running(pid: int) -> bool:
    if os.name != "posix":  # Elsewhere `os.kill` would do what it says.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # It is there, and somebody else's.
        return True
    return True


@dataclasses.dataclass(frozen=True)
class Process:
    """One process, told apart from every other on any machine.

    Args:
        host: The name of its machine, for people.
        machine: What tells its machine, boot and container apart.
        pid: Its number there.
        start: When it started, in the kernel's count; empty if not known.
    """

    host: str
    machine: str
    pid: int
    start: str

    @classmethod
    def current(cls) -> Process:
        """Returns the process that asks.

        Example:
            >>> Process.current() == Process.current()
            True
            >>> Process.current().is_dead()
            False
        """
        pid = os.getpid()
        return cls(
            host=socket.gethostname(),
            machine=_machine(),
            pid=pid,
            start=_state_and_start(pid)[1],
        )

    def is_dead(self) -> bool:
        """Returns whether the process has certainly ended.

        Returns:
            `True` only for a process of this machine that is gone, is a zombie
            or has left its number to another; `False` when in doubt, as for
            every process of another machine.
        """
        if self.machine != _machine():
            return False
        if not _is_running(self.pid):
            return True
        state, start = _state_and_start(self.pid)
        if state in ("Z", "X", "x"):
            return True
        return bool(start and self.start and start != self.start)
