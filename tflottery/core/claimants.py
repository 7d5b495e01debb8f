"""Mutual exclusion with nothing but whole files and a listing.

A bucket knows no locks and no exclusive creation, and those of network disks
are not to be relied on. What all of them do is to write a file as a whole and
to list a folder as it is. That is enough:

1. Every claimant writes a file of its own, `claim_<token>.json`, as "wanted".
2. Only then it lists the folder. Alone there, it writes "held" and has it.
3. If another one holds it, or wants it and has the smaller token, it removes
   its file and gives up. Otherwise it stays, and goes on with 2.

Of two claimants, one wrote its file later than the other. Its listings show
the earlier one's file for as long as that is there, and a file is there until
its owner has let go. So the later one cannot find itself alone while the
earlier one is in. States and tokens decide nothing but who gives way.

A file whose owner is dead, or was not heard of for `expires` seconds, may be
removed by others, *whose own files are then in the folder*. The owner may only
have been asleep. So a claimant that wakes after more than half of that time
begins again with another token, which nobody has judged. An owner that wakes
leaves its file as it is, writes a second one and lists the folder. If that
shows its old file and nobody else's, then nobody has removed it, and whoever
comes to do so must see the second one. Else the owner gives way.

The steps are generators, which yield between any two operations on files: a
test can interleave those of several claimants in every order.
"""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import time
from collections.abc import Generator
from typing import Any

from etils import epath

from tflottery.core import claim_files, documents, files
from tflottery.core.processes import Process

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_TRIES = 5
_chance = secrets.SystemRandom()

# Yields the seconds to wait before the next step.
Steps = Generator[float, None, Any]


def boot_clock() -> float:
    """Returns seconds of a clock that goes on while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class _OversleptError(Exception):
    """The owner was away for so long that its file may not count any more."""


class Claimant:
    """One file in the folder, and the steps that its owner goes.

    Args:
        folder: The folder, which is made with the first file.
        expires: Seconds without renewal after which others may remove it.

    Attributes:
        path: The file.
        renewed: When it was last renewed with success, by `boot_clock`.
    """

    def __init__(self, folder: epath.Path, expires: float):
        self.folder = folder
        self.expires = expires
        now = datetime.datetime.now(datetime.timezone.utc)
        self._since = f"{now:%Y-%m-%d %H:%M:%S} UTC"
        self._begin()

    def _begin(self) -> None:
        self.token = secrets.token_hex(8)
        self.path = claim_files.path_of(self.folder, self.token)
        self._state = ""
        self.renewed = boot_clock()
        # The same moment by the server's clock, and the last write by both.
        self._renewed_there: float | None = None
        self._written = self.renewed
        self._written_there: float | None = None

    def acquire(self) -> Steps:
        """Tries to get the claim.

        Returns:
            `None` if it is held now; else the `Entry` of the one in the way,
            and the own file is removed.
        """
        for _ in range(_TRIES):
            try:
                return (yield from self._try_once())
            except _OversleptError:  # Others may have removed this file.
                self.withdraw()
                self._begin()
        raise OSError(
            f"{self.folder} could not be claimed: its file system takes longer "
            f"than half of expires_seconds={self.expires}, or removes files. "
            "Use more seconds."
        )

    def _try_once(self) -> Steps:
        began = boot_clock()
        pause = _FIRST_PAUSE
        while True:
            if self._write("wanted"):
                raise _OversleptError
            yield 0.0
            rivals = yield from self._rivals()
            self._confirm()
            if not rivals:
                break
            stronger = [
                rival
                for rival in rivals
                if rival.state != "wanted" or rival.token < self.token
            ]
            if stronger or boot_clock() - began > self.expires / 4:
                self.withdraw()
                return (stronger or rivals)[0]
            yield pause * _chance.uniform(0.5, 1.0)
            pause = min(2 * pause, _LONGEST_PAUSE)
        if self._write("held"):
            raise _OversleptError
        yield 0.0
        self._confirm()
        return None

    def renew(self) -> Steps:
        """Renews the file of a claim that is held.

        Returns:
            Whether it is still held. If not, the own file is removed.
        """
        if self.is_late():
            return (yield from self._come_back())
        asked = boot_clock()
        if not self.path.exists():
            return False
        yield 0.0
        try:
            late = self._write("held")
        except _OversleptError:
            return False
        yield 0.0
        if boot_clock() - asked > self.expires / 2:
            # What was there when asked may have been removed before the write,
            # and so made anew by it.
            self.withdraw()
            return False
        if late:
            return (yield from self._come_back())
        self._confirm()
        return True

    def is_late(self) -> bool:
        """Returns whether somebody may soon take the claim for abandoned."""
        return boot_clock() - self.renewed > self.expires / 2

    def withdraw(self) -> None:
        """Removes the own file."""
        files.remove(self.path)

    def _come_back(self) -> Steps:
        """Renews a claim that others may take for abandoned, if none has.

        The old file is the proof that nobody has removed it, so it is not
        written but left for a new one.
        """
        again = Claimant(self.folder, self.expires)
        again._since = self._since
        try:
            again._write("held")
            yield 0.0
            found = claim_files.list_claims(self.folder)
            yield 0.0
            names = {path.name for path in found}
            if names == {self.path.name, again.path.name}:
                old, self.path, self.token = self.path, again.path, again.token
                again.path = old
                self._written = again._written
                self._written_there = again._written_there
                self._confirm()
                return True
            self.withdraw()
            return False
        finally:
            again.withdraw()

    def _write(self, state: str) -> bool:
        """Writes or renews the file; returns whether that came late."""
        self._written = boot_clock()
        content = {
            "state": state,
            "process": dataclasses.asdict(Process.current()),
            "since": self._since,
            "expires": self.expires,
            "renewed": time.time(),
        }
        try:
            if state == self._state:
                claim_files.renew(self.path, content)
            else:
                documents.write_json(self.path, content)
            self._written_there = claim_files.modified_time(self.path)
        except FileNotFoundError:
            raise _OversleptError from None
        self._state = state
        if self.is_late():
            return True
        if self._renewed_there is None or self._written_there is None:
            return False
        return self._written_there - self._renewed_there > self.expires / 2

    def _confirm(self) -> None:
        """Notes that the claim stood when the file was last written."""
        self.renewed = self._written
        self._renewed_there = self._written_there

    def _rivals(self) -> Steps:
        """Returns the other live claims, and removes those that are not."""
        found = claim_files.list_folder(self.folder)
        yield 0.0
        rivals = []
        for path in found:
            if path.name == self.path.name:
                continue
            entry = claim_files.read_entry(path)
            yield 0.0
            if entry is None:
                continue
            # Who fell asleep after it wrote judges by an age long past.
            awake = boot_clock() - self._written <= self.expires / 2
            dead = entry.process is not None and entry.process.is_dead()
            if dead or (
                awake and entry.has_expired(self.expires, self._written_there)
            ):
                files.remove(path)
                yield 0.0
            elif entry.state != "unfinished":
                rivals.append(entry)
        order = ["held", "damaged", "wanted"]
        return sorted(rivals, key=lambda rival: order.index(rival.state))
