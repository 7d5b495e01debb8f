"""Claims: the right of one process to work on something, until it lets go.

Several processes share a run directory on any file system, a replicate each,
and must not do the same work twice. A lock that outlives its owner would stop
the others for ever, so a claim must be renewed: its owner does that in the
background, and a claim that was not renewed for a while can be taken.
`claimants` says how, and why there is never more than one owner.

What no claim can prevent: a process that is stopped between `check` and a write
finishes that write when it wakes, whoever owns the claim by then. Write whole
files, whose content is the same whoever writes them.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from tflottery.core import checks, claim_files, claimants, files
from tflottery.core.claim_holder import Holder

_TAKEN = "another process has taken it, or its file was removed."


class ClaimedError(ValueError):
    """Something is claimed by another process.

    Attributes:
        holder: Who that is, a `Holder`, if known.
    """

    def __init__(self, message: str, holder: Holder | None = None):
        super().__init__(message)
        self.holder = holder


class ClaimLostError(RuntimeError):
    """A claim that was held is no more: nothing may be written on its behalf.

    What is finished is kept. Starting again goes on from there, or says who
    works on it now.
    """


def holder(folder: Any) -> Holder | None:
    """Returns who holds the claim on a folder, to tell people.

    Nothing is written for the answer, so the age of a claim is taken by this
    machine's clock, and the answer may be wrong where that differs from the
    file server's. Only `Claim.acquire` decides.

    Args:
        folder: The folder that `Claim` was given.

    Returns:
        Who has it, or `None` if it is free.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Claim(folder):
        ...         print(holder(folder).pid == os.getpid())
        ...     print(holder(folder))
        True
        None
    """
    folder = files.as_path(folder)
    if not folder.exists():
        return None
    for path in claim_files.list_folder(folder):
        entry = claim_files.read_entry(path)
        if entry is None or entry.state not in ("held", "damaged"):
            continue
        dead = entry.process is not None and entry.process.is_dead()
        default = Claim.EXPIRES_SECONDS
        if not dead and not entry.has_expired(default, time.time()):
            return Holder.of(entry)
    return None


def _walk(steps: claimants.Steps) -> Any:
    """Goes all steps, with the pauses that they ask for."""
    while True:
        try:
            pause = next(steps)
        except StopIteration as end:
            return end.value
        if pause:
            time.sleep(pause)


class Claim:
    """One process's right to work on something, until it lets go or loses it.

    The claim belongs to the process that acquired it and not to its forked
    children. Two claims of one process exclude each other as well. A holder
    that died is noticed at once on its own machine, and elsewhere when its
    claim expires.

    Args:
        folder: A folder, local or remote, which claimants of the same thing
            share. It is made when it is missing. Files in it that are not
            claims are left alone.
        expires_seconds: Seconds without renewal after which another may take
            the claim. Defaults to 120.
        renew_seconds: Seconds between renewals, at most half of
            `expires_seconds`. Defaults to a quarter of it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Claim(folder) as claim:
        ...         claim.check()
        ...         try:
        ...             Claim(folder).acquire()
        ...         except ClaimedError as error:
        ...             print("is in use by another" in str(error))
        True
    """

    EXPIRES_SECONDS = 120.0

    def __init__(
        self,
        folder: Any,
        *,
        expires_seconds: float = EXPIRES_SECONDS,
        renew_seconds: float | None = None,
    ):
        self.folder = files.as_path(folder)
        expires = checks.check_finite("expires_seconds", expires_seconds)
        if expires <= 0:
            raise ValueError(
                "`expires_seconds` must be positive. Received: "
                f"expires_seconds={expires_seconds!r}. Use 120."
            )
        if renew_seconds is None:
            renew_seconds = expires / 4
        renew = checks.check_finite("renew_seconds", renew_seconds)
        if not 0 < renew <= expires / 2:
            raise ValueError(
                "`renew_seconds` must be positive and at most half of "
                f"`expires_seconds`. Received: renew_seconds={renew_seconds!r}"
                f", expires_seconds={expires_seconds!r}. Use a quarter."
            )
        self.expires_seconds = expires
        self.renew_seconds = renew
        self._claimant: claimants.Claimant | None = None
        self._lost = ""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def acquire(self) -> None:
        """Takes the claim, or says who has it; waits for nobody's work.

        Raises:
            ClaimedError: If another process, or another object of this one,
                has the claim or is just taking it.
            RuntimeError: If this object has it already.
        """
        if self._claimant is not None:
            raise RuntimeError(
                f"This claim on {self.folder} is held. Call `release` first."
            )
        claimant = claimants.Claimant(self.folder, self.expires_seconds)
        try:
            rival = _walk(claimant.acquire())
        except BaseException:
            self._remove_file(claimant)
            raise
        if rival is not None:
            holder = Holder.of(rival)
            raise ClaimedError(
                f"`{self.folder}` is in use by another process. Received: "
                f"folder={str(self.folder)!r}, held by {holder}. Wait for it "
                "or stop it; if you know that it is gone, remove "
                f"{rival.path}.",
                holder,
            )
        self._claimant, self._lost = claimant, ""
        self._pid = os.getpid()
        self._stop = threading.Event()
        threading.Thread(
            target=self._keep_renewing,
            args=(claimant, self._stop),
            name=f"claim on {self.folder}",
            daemon=True,
        ).start()

    def check(self) -> None:
        """Makes sure that the claim is still held; costs a look at one file.

        Raises:
            ClaimLostError: If another process has taken it, its file has gone,
                or it could not be renewed for `expires_seconds`.
        """
        if self._claimant is None or self._pid != os.getpid():
            raise ClaimLostError(
                f"The claim on {self.folder} is not held by this process. Call "
                "`acquire` first, in the process that does the work."
            )
        with self._lock:
            if not self._lost:
                self._look(self._claimant)
            if self._lost:
                raise ClaimLostError(
                    f"The claim on {self.folder} was lost: {self._lost} What "
                    "is finished is kept; start again to go on."
                )

    def release(self) -> None:
        """Lets go of the claim, if this process holds it.

        Nothing is written after it has returned. If the file cannot be removed
        it is left, and expires.
        """
        if self._claimant is None or self._pid != os.getpid():
            return
        self._stop.set()
        with self._lock:
            claimant, self._claimant = self._claimant, None
            self._remove_file(claimant)

    def __enter__(self) -> Claim:
        self.acquire()
        return self

    def __exit__(self, *unused: object) -> None:
        self.release()

    def _remove_file(self, claimant: claimants.Claimant) -> None:
        try:
            claimant.withdraw()
        except Exception:  # It expires, and an error on its way says more.
            return

    def _look(self, claimant: claimants.Claimant) -> None:
        if claimant.is_late():
            self._renew(claimant)
            return
        try:
            if not claimant.path.exists():
                self._lost = _TAKEN
        except Exception:  # Nobody may take it yet; renewing asks again.
            return

    def _renew(self, claimant: claimants.Claimant) -> bool:
        """Tries once, under the lock; returns whether that worked."""
        # Remote file systems raise errors of their own, not OSError alone.
        try:
            if _walk(claimant.renew()):
                return True
            self._lost = _TAKEN
        except Exception as error:
            silent = claimants.boot_clock() - claimant.renewed
            if silent > self.expires_seconds:
                self._lost = (
                    f"it could not be renewed for {silent:.0f} seconds, and "
                    f"another process may have taken it ({error})."
                )
        return False

    def _keep_renewing(
        self, claimant: claimants.Claimant, stop: threading.Event
    ) -> None:
        pause = self.renew_seconds
        while not stop.wait(pause):
            with self._lock:
                if stop.is_set() or self._lost:
                    return
                renewed = self._renew(claimant)
            pause = self.renew_seconds if renewed else self.renew_seconds / 4
