"""What two run directories must share, whenever and however they were made."""

import csv

_SAME_BYTES = ("mask", "ticket", "trained", "initial", "rewind", "history.csv")


def read_csv(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def contents(run_dir):
    """Every file that must not depend on time, and results without it."""
    found = {
        path.relative_to(run_dir).as_posix(): path.read_bytes()
        for path in sorted(run_dir.rglob("*"))
        if path.name in _SAME_BYTES
    }
    found["results"] = [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in read_csv(run_dir / "results.csv")
    ]
    return found
