"""The files by which claimants know of each other, and how old they are.

Each claimant has one file in a folder that all of them share. What the file
says and when it was last renewed is read here; what follows from that is the
matter of `claimants`. Ages are differences between times that the same file
server stamped, so that no clocks of two machines are compared.
"""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Mapping
from typing import Any

from etils import epath

from tflottery.core import documents, files
from tflottery.core.processes import Process

_CLAIM = re.compile(r"claim_([0-9a-f]{16})\.json")
# What is left of a claim whose owner was killed while it wrote.
_UNFINISHED = re.compile(
    r"\.claim_([0-9a-f]{16})\.json\.[0-9a-f]+"
    + re.escape(files.TEMPORARY_SUFFIX)
)
# Times of files come in whole seconds.
_RESOLUTION = 1.0
_STATES = ("wanted", "held")


@dataclasses.dataclass(frozen=True)
class Entry:
    """What one claimant's file says.

    Args:
        path: The file.
        token: What tells its name from the others.
        state: "wanted" or "held"; "damaged" or "unfinished" if the file says
            nothing, and then only `modified` is known.
        process: Whose it is.
        since: When it was first written, as a text for people, in UTC.
        expires: Seconds after which it counts for nothing unless renewed.
        renewed: Its last renewal by the clock of its owner, in seconds.
        modified: Its last renewal by the clock of the file server, if told.
    """

    path: epath.Path
    token: str
    state: str
    process: Process | None = None
    since: str | None = None
    expires: float | None = None
    renewed: float | None = None
    modified: float | None = None

    def has_expired(self, expires: float, now: float | None) -> bool:
        """Returns whether the file was left alone for too long.

        Args:
            expires: Seconds that count if the file does not say its own.
            now: The time by the file server; `None` if it tells no times, so
                that the clocks of the processes have to do.
        """
        limit = (self.expires or expires) + _RESOLUTION
        if now is not None and self.modified is not None:
            return now - self.modified > limit
        return self.renewed is not None and time.time() - self.renewed > limit


def path_of(folder: epath.Path, token: str) -> epath.Path:
    """Returns the path of a claimant's file.

    Args:
        folder: The folder that all claimants share.
        token: Sixteen hexadecimal digits.
    """
    return folder / f"claim_{token}.json"


def modified_time(path: epath.Path) -> float | None:
    """Returns when a file was written by its server's clock, if it says so.

    Args:
        path: The file.

    Returns:
        Seconds; `None` if the file system keeps no such time.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    try:
        modified = path.stat().mtime
    except NotImplementedError:
        return None
    return float(modified) if modified and modified > 0 else None


def _read_claim(path: epath.Path, token: str) -> Entry:
    try:
        data = documents.read_json(path)
        if data["state"] not in _STATES:
            raise ValueError(data["state"])
        return Entry(
            path=path,
            token=token,
            state=data["state"],
            process=Process(**data["process"]),
            since=str(data["since"]),
            expires=float(data["expires"]),
            renewed=float(data["renewed"]),
        )
    except (ValueError, TypeError, KeyError):
        return Entry(path=path, token=token, state="damaged")


def read_entry(path: epath.Path) -> Entry | None:
    """Returns what a file says; `None` if it has gone or is not ours.

    Args:
        path: Any path in the folder.
    """
    claim, rest = _CLAIM.fullmatch(path.name), _UNFINISHED.fullmatch(path.name)
    try:
        if claim:
            entry = _read_claim(path, claim[1])
        elif rest:
            entry = Entry(path=path, token=rest[1], state="unfinished")
        else:
            return None
        return dataclasses.replace(entry, modified=modified_time(path))
    except FileNotFoundError:
        return None


def list_folder(folder: epath.Path) -> list[epath.Path]:
    """Returns all paths in a folder, and misses none that is being replaced.

    A file that a rename puts in the place of another has, on some disks, an
    instant in which a listing that began before does not show it. The next
    listing does.

    Args:
        folder: A folder that exists.

    Returns:
        The paths, in the order of their names.
    """
    found = {path.name: path for _ in range(2) for path in folder.iterdir()}
    return [found[name] for name in sorted(found)]


def list_claims(folder: epath.Path) -> list[epath.Path]:
    """Returns the claimants' files, in the order of their names.

    Args:
        folder: A folder that exists.
    """
    return [p for p in list_folder(folder) if _CLAIM.fullmatch(p.name)]


def renew(path: epath.Path, content: Mapping[str, Any]) -> None:
    """Has the server stamp a claimant's file anew.

    Args:
        path: The file. On this machine's disks, one that was removed is never
            made again. Remote places know no way to promise that.
        content: What a remote file is to hold from now on.

    Raises:
        FileNotFoundError: If a local file has gone.
    """
    if not files.is_local(path):
        documents.write_json(path, content)
        return
    # A write makes a network disk use its own clock, which setting the time
    # does not; and the byte is the one that was there, for who reads meanwhile.
    descriptor = os.open(path, os.O_RDWR)
    try:
        first = os.read(descriptor, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, first)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
