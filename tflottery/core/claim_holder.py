"""`Holder`: who holds a claim, for people and for whoever has to wait."""

from __future__ import annotations

import dataclasses

from tflottery.core import claim_files
from tflottery.core.processes import Process


@dataclasses.dataclass(frozen=True)
class Holder:
    """Who holds a claim; all parts are `None` if its file is damaged.

    Args:
        host: The name of the machine.
        pid: The number of the process there.
        since: When it took the claim, as a text, in UTC.
        is_here: Whether it is of this machine, and therefore alive: one that
            has died here does not hold a claim. Of others it is not known
            until their claim expires.

    Example:
        >>> print(Holder("node7", 42, "2026-01-01 12:00", is_here=False))
        pid 42 on host node7 since 2026-01-01 12:00
    """

    host: str | None
    pid: int | None
    since: str | None
    is_here: bool

    @classmethod
    def of(cls, entry: claim_files.Entry) -> Holder:
        """Returns who wrote a claim's file."""
        process = entry.process
        if process is None:
            return cls(None, None, None, is_here=False)
        is_here = process.machine == Process.current().machine
        return cls(process.host, process.pid, entry.since, is_here)

    def __str__(self) -> str:
        if self.host is None:
            return "a process whose claim cannot be read"
        return f"pid {self.pid} on host {self.host} since {self.since}"
