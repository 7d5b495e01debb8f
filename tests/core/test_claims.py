"""Tests of claims: never two holders, and none that stays for ever."""

from __future__ import annotations

import io
import itertools
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
import types

import pytest
from etils import epath
from etils.epath import stat_utils

import tflottery
from tflottery.core import claim_files, claimants, documents
from tflottery.core.claims import Claim, ClaimedError, ClaimLostError, holder
from tflottery.core.processes import Process

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
LONG_AGO = 10_000  # seconds, far beyond any `expires_seconds` used here


class Cloud:
    """A folder in memory and the one clock of its world."""

    files: dict[str, tuple[bytes, float]] = {}
    now = 0.0
    has_times = True


@epath.register_path_cls("tflotteryclaims://")
class CloudPath(epath.Path):
    """A file in the `Cloud`; every operation is one indivisible step."""

    def __fspath__(self):
        raise AssertionError(f"{self} was used as a local path")

    def exists(self):
        return any(f"{key}/".startswith(f"{self}/") for key in Cloud.files)

    def iterdir(self):
        for key in list(Cloud.files):
            folder, _, name = key.rpartition("/")
            if folder == str(self):
                yield self / name

    def stat(self):
        if str(self) not in Cloud.files:
            raise FileNotFoundError(str(self))
        if Cloud.has_times == "refused":
            raise NotImplementedError
        time_of_file = Cloud.files[str(self)][1]
        return stat_utils.StatResult(
            is_directory=False,
            length=1,
            mtime=int(time_of_file) if Cloud.has_times else 0,
        )

    def open(self, mode="r", **unused):
        if mode == "rb":
            if str(self) not in Cloud.files:
                raise FileNotFoundError(str(self))
            return io.BytesIO(Cloud.files[str(self)][0])
        return CloudFile(str(self))

    def mkdir(self, mode=None, parents=False, exist_ok=False):
        return None

    def replace(self, target):
        Cloud.files[str(target)] = Cloud.files.pop(str(self))
        return target

    def unlink(self, missing_ok=False):
        if Cloud.files.pop(str(self), None) is None and not missing_ok:
            raise FileNotFoundError(str(self))


class CloudFile(io.BytesIO):
    def __init__(self, key):
        super().__init__()
        self.key = key

    def __exit__(self, *rest):
        Cloud.files[self.key] = (self.getvalue(), Cloud.now)
        return super().__exit__(*rest)


@pytest.fixture
def cloud(monkeypatch):
    monkeypatch.setattr(Cloud, "files", {})
    monkeypatch.setattr(Cloud, "now", 1e9)
    monkeypatch.setattr(Cloud, "has_times", True)
    return epath.Path("tflotteryclaims://bucket/run")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "claims"


# The package as a mere folder: importing it would import TensorFlow first.
CORE_ALONE = (
    "import sys, types\n"
    "package = types.ModuleType('tflottery')\n"
    f"package.__path__ = {list(tflottery.__path__)!r}\n"
    "sys.modules['tflottery'] = package\n"
)


def start(program, *arguments):
    """Starts a process that runs a text."""
    paths = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-W", "ignore", "-c", CORE_ALONE + program]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )


def claim_file(folder):
    (path,) = pathlib.Path(folder).glob("claim_*.json")
    return path


def age(path, seconds=LONG_AGO):
    then = time.time() - seconds
    os.utime(path, (then, then))


def write_claim(folder, **changes):
    """Writes the claim of a process on another machine."""
    path = epath.Path(folder) / "claim_0123456789abcdef.json"
    content = {
        "state": "held",
        "process": {"host": "afar", "machine": "m", "pid": 7, "start": "1"},
        "since": "2026-01-02 03:04:05 UTC",
        "expires": 60.0,
        "renewed": time.time(),
    }
    documents.write_json(path, {**content, **changes})
    return path


def is_free(folder):
    try:
        with Claim(folder):
            return True
    except ClaimedError:
        return False


# One holder, and what others are told


def test_a_claim_excludes_others_until_it_is_released(folder):
    first, second = Claim(folder), Claim(folder)
    with first:
        first.check()
        with pytest.raises(ClaimedError) as caught:
            second.acquire()
        found = caught.value.holder
        assert found == holder(folder)
        assert found.pid == os.getpid()
        assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", found.since)
        assert re.search(
            f"`{folder}` is in use by another process. Received: .*held by pid "
            f"{found.pid} on host .* since 20.*UTC. Wait for it or stop it.*"
            f"remove .*claim_",
            str(caught.value),
        )
        first.check()
    assert os.listdir(folder) == []
    assert holder(folder) is None
    with second:
        second.check()


def test_nobody_holds_a_folder_that_is_not_there(folder):
    assert holder(folder) is None


def test_a_claim_is_acquired_once_and_released_as_often_as_one_likes(folder):
    claim = Claim(folder)
    claim.release()
    for _ in range(2):
        claim.acquire()
        with pytest.raises(RuntimeError, match="is held. Call `release`"):
            claim.acquire()
        claim.release()
        claim.release()
    with pytest.raises(ClaimLostError, match="not held by this process"):
        claim.check()


def test_foreign_files_are_left_alone(folder):
    folder.mkdir()
    for name in ("claim_x.json", "notes.txt", "claim_0123456789abcdeg.json"):
        (folder / name).write_text("mine")
        age(folder / name)
    before = sorted(os.listdir(folder))
    (folder / "a folder").mkdir()
    assert is_free(folder)
    assert sorted(os.listdir(folder)) == ["a folder", *before]


def test_an_error_on_the_way_leaves_no_file(folder, monkeypatch):
    def fail(folder):
        raise OSError("no listing")

    monkeypatch.setattr(claim_files, "list_folder", fail)
    with pytest.raises(OSError, match="no listing"):
        Claim(folder).acquire()
    assert os.listdir(folder) == []


def test_a_file_system_that_is_too_slow_is_named(folder, monkeypatch):
    clock = itertools.count(0, LONG_AGO)
    monkeypatch.setattr(claimants, "boot_clock", lambda: float(next(clock)))
    with pytest.raises(OSError, match="longer than half of expires_seconds=12"):
        Claim(folder).acquire()
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"expires_seconds": 0}, "`expires_seconds` must be positive.*0.*120"),
        ({"renew_seconds": 61}, "`renew_seconds` must be .*half.*renew_se.*61"),
        ({"renew_seconds": 0.0}, "`renew_seconds` must be positive"),
        ({"expires_seconds": float("nan")}, "`expires_seconds` must be finite"),
    ],
)
def test_times_that_make_no_sense_are_refused(arguments, text, folder):
    with pytest.raises(ValueError, match=text):
        Claim(folder, **arguments)


# Races


def test_threads_that_race_are_never_two_inside(folder):
    inside, most, won, errors = [], [], [0], []
    end = time.monotonic() + 1.5

    def run():
        try:
            while time.monotonic() < end:
                try:
                    with Claim(folder) as claim:
                        inside.append(1)
                        most.append(len(inside))
                        claim.check()
                        time.sleep(0.001)
                        inside.pop()
                        won[0] += 1
                except ClaimedError:
                    time.sleep(0.01)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(most) == {1}
    assert won[0] >= 1  # how often is up to the scheduler
    assert os.listdir(folder) == []


def test_processes_that_race_lose_no_count(folder, tmp_path):
    program = (
        "import pathlib, sys, time\n"
        "from tflottery.core.claims import Claim, ClaimedError\n"
        "counter, done = pathlib.Path(sys.argv[2]), 0\n"
        "while done < 8:\n"
        "    try:\n"
        "        with Claim(sys.argv[1]):\n"
        "            count = int(counter.read_text())\n"
        "            time.sleep(0.001)\n"
        "            counter.write_text(str(count + 1))\n"
        "            done += 1\n"
        "    except ClaimedError:\n"
        "        time.sleep(0.01)\n"
    )
    counter = tmp_path / "counter"
    counter.write_text("0")
    runs = [start(program, folder, counter) for _ in range(4)]
    assert [run.wait(60) for run in runs] == [0] * 4
    for run in runs:
        run.stdout.close()
    assert counter.read_text() == "32"
    assert os.listdir(folder) == []


# Every order of the steps: a scheduler that decides who goes next


EXPIRES = 120.0


class World:
    """Knows who may work, and refuses an order of steps in which two may."""

    def __init__(self):
        self.owner = None
        self.renewed = 0.0  # when the owner's claim was
        self.wins = 0

    def acquired(self, name, claimant):
        if self.owner and claimant.renewed - self.renewed <= EXPIRES:
            if claimant.is_late():  # fell asleep in its last step
                return
            raise AssertionError(f"{name} beside {self.owner}")
        self.wins += 1
        self.owner, self.renewed = name, claimant.renewed

    def goes_on(self, name, claimant):
        if claimant.is_late():  # fell asleep again; it must ask again
            return
        if self.owner != name:
            raise AssertionError(f"{name} goes on after {self.owner}")
        self.renewed = claimant.renewed

    def leaves(self, name):
        if self.owner == name:
            self.owner = None


def player(world, name, folder, renewals=0):
    """Goes all steps of one claimant, from acquiring to letting go."""
    return _play(world, name, claimants.Claimant(folder, EXPIRES), renewals)


def _play(world, name, claimant, renewals):
    rival = yield from claimant.acquire()
    if rival is not None:
        return
    world.acquired(name, claimant)
    yield 0.0
    for _ in range(renewals):
        if not (yield from claimant.renew()):
            break
        world.goes_on(name, claimant)
        yield 0.0
    world.leaves(name)
    claimant.withdraw()


def sleep(seconds):
    """A player that only lets time pass, at whatever moment."""
    Cloud.now += seconds
    yield 0.0


def play(players, choose):
    """Goes the players' steps in the order that `choose(names)` says."""
    players, waiting, last = dict(players), set(), None
    while players:
        # Who waits goes on when another has moved, or nobody else can.
        ready = [n for n in players if n not in waiting] or list(players)
        if last in ready:  # the first choice is to go on with the same
            ready.remove(last)
            ready.insert(0, last)
        last = choose(ready, last)
        try:
            pause = next(players[last])
        except StopIteration:
            del players[last]
            pause = 0.0
        waiting = {last} if pause else set()
        Cloud.now += pause


def every_order(make_players, switches):
    """Plays all orders with at most so many switches away from a player."""
    plan, count = [], 0
    while True:
        taken, left = [], [switches]

        def choose(ready, last, taken=taken, left=left, plan=tuple(plan)):
            free = left[0] > 0 or last not in ready
            options = len(ready) if free else 1
            choice = plan[len(taken)] if len(taken) < len(plan) else 0
            taken.append((choice, options))
            if choice and last in ready:
                left[0] -= 1
            return ready[choice]

        Cloud.files.clear()
        Cloud.now = 1e9
        world = World()
        play(make_players(world), choose)
        yield world
        count += 1
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        plan = [choice for choice, _ in taken[:-1]] + [taken[-1][0] + 1]


@pytest.fixture
def simulation(cloud, monkeypatch):
    monkeypatch.setattr(claimants, "boot_clock", lambda: Cloud.now)
    # A process costs much to describe and is always this one.
    me = Process.current()
    monkeypatch.setattr(Process, "current", classmethod(lambda cls: me))
    monkeypatch.setattr(Process, "is_dead", lambda self: False)

    def tokens(*first):
        left = itertools.chain(first, itertools.count(10))
        source = types.SimpleNamespace(token_hex=lambda _: f"{next(left):016x}")
        monkeypatch.setattr(claimants, "secrets", source)

    return tokens


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_two_claimants_exclude_each_other_in_every_order(
    order, cloud, simulation
):
    def players(world):
        simulation(*order)
        return {name: player(world, name, cloud) for name in "ab"}

    worlds = list(every_order(players, switches=99))
    assert len(worlds) > 100
    # Somebody always gets it: they never both give way.
    assert {world.wins for world in worlds} == {1, 2}
    assert Cloud.files == {}


@pytest.mark.parametrize("order", [(3, 1, 2)])
def test_three_claimants_exclude_each_other(order, cloud, simulation):
    def players(world):
        simulation(*order)
        return {name: player(world, name, cloud) for name in "abc"}

    worlds = list(every_order(players, switches=2))
    assert len(worlds) > 200
    assert {world.wins for world in worlds} <= {1, 2, 3}
    chance = random.Random(0)
    for _ in range(100):
        play(players(World()), lambda ready, last: chance.choice(ready))
    assert Cloud.files == {}


@pytest.mark.parametrize(
    ("order", "seconds"),
    [
        ((1, 2), EXPIRES * 2),
        pytest.param((2, 1), EXPIRES * 2, marks=pytest.mark.slow),
        # Late, but not so late that others may take the claim.
        pytest.param((1, 2), EXPIRES * 0.6, marks=pytest.mark.slow),
        pytest.param((2, 1), EXPIRES * 0.6, marks=pytest.mark.slow),
    ],
)
def test_a_sleeper_that_wakes_at_any_moment_gives_way(
    order, seconds, cloud, simulation
):
    def players(world):
        simulation(*order)
        return {
            "a": player(world, "a", cloud, renewals=1),
            "b": player(world, "b", cloud, renewals=1),
            "sleep": sleep(seconds),
        }

    worlds = list(every_order(players, switches=3))
    assert len(worlds) > 200
    assert {world.wins for world in worlds} >= {1, 2}


@pytest.mark.parametrize("fault", ["does not list", "does not look again"])
def test_the_scheduler_finds_what_a_wrong_protocol_does(
    fault, cloud, simulation, monkeypatch
):
    if fault == "does not list":
        right = claimants.Claimant._rivals

        def wrong(self):
            found = yield from right(self)
            return [rival for rival in found if rival.state == "held"]

        monkeypatch.setattr(claimants.Claimant, "_rivals", wrong)
    else:
        right_write = claimants.Claimant._write
        monkeypatch.setattr(
            claimants.Claimant,
            "_write",
            lambda self, state: right_write(self, state) and False,
        )

    def players(world):
        simulation(1, 2)
        return {
            "a": player(world, "a", cloud, renewals=1),
            "b": player(world, "b", cloud, renewals=1),
            "sleep": sleep(EXPIRES * 2),
        }

    with pytest.raises(AssertionError, match="beside|goes on after"):
        list(every_order(players, switches=3))


# Death, sleep and age

HOLD = (
    "import os, sys, time\n"
    "from tflottery.core.claims import Claim\n"
    "claim = Claim(sys.argv[1])\n"
    "claim.acquire()\n"
    "print('held', flush=True)\n"
)


@posix
def test_the_claim_of_a_killed_process_is_free_at_once(folder):
    with start(HOLD + "time.sleep(60)", folder) as run:
        assert run.stdout.readline() == "held\n"
        assert holder(folder).pid == run.pid
        with pytest.raises(ClaimedError, match=f"held by pid {run.pid} on"):
            Claim(folder).acquire()
        run.send_signal(signal.SIGKILL)
        # Dead, but not waited for by its parent, which is this process.
        os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)
        assert is_free(folder)
        assert holder(folder) is None
    assert os.listdir(folder) == []


@posix
def test_a_forked_child_does_not_release(folder):
    program = HOLD + (
        "child = os.fork()\n"
        "if not child:\n"
        "    claim.release()\n"
        "    try:\n"
        "        claim.check()\n"
        "    except RuntimeError as error:\n"
        "        os._exit('not held by this process' in str(error))\n"
        "    os._exit(0)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "claim.check()\n"
        "print(len(os.listdir(sys.argv[1])))\n"
        "claim.release()\n"
        "print(len(os.listdir(sys.argv[1])))\n"
    )
    with start(program, folder) as run:
        assert run.stdout.read().split() == ["held", "1", "1", "0"]


def test_another_machine_is_believed_until_its_claim_expires(folder):
    path = write_claim(folder)
    with pytest.raises(ClaimedError, match="pid 7 on host afar since 2026-01-"):
        Claim(folder).acquire()
    # What counts is the age that it gives itself, 60 s, not ours.
    age(path, 55)
    assert not is_free(folder)
    assert holder(folder).host == "afar"
    age(path, 65)
    assert holder(folder) is None
    assert is_free(folder)
    assert os.listdir(folder) == []


def test_a_wanted_claim_of_a_smaller_token_goes_first(folder):
    path = write_claim(folder, state="wanted")
    path = path.rename(path.parent / f"claim_{0:016x}.json")
    with pytest.raises(ClaimedError, match="afar"):
        Claim(folder).acquire()
    path.rename(path.parent / f"claim_{'f' * 16}.json")
    began = time.monotonic()
    with pytest.raises(ClaimedError, match="afar"):
        # It waits for the other to give way, and not for ever.
        Claim(folder, expires_seconds=1).acquire()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("content", [b"{", b"", b'{"state": 1}', b"\xff\x00"])
def test_a_damaged_claim_counts_until_it_is_old(content, folder):
    path = write_claim(folder)
    path.write_bytes(content)
    with pytest.raises(ClaimedError, match="whose claim cannot be read.*remov"):
        Claim(folder).acquire()
    assert holder(folder).pid is None
    age(path)
    assert is_free(folder)
    assert os.listdir(folder) == []


def test_what_a_killed_writer_left_is_removed_when_it_is_old(folder):
    folder.mkdir()
    part = folder / ".claim_0123456789abcdef.json.0011.tflottery-part"
    part.write_bytes(b"{")
    assert is_free(folder)
    assert part.exists()
    age(part)
    assert is_free(folder)
    assert os.listdir(folder) == []


def test_a_claim_that_is_renewed_does_not_expire(tmp_path):
    times = {"expires_seconds": 0.6, "renew_seconds": 0.05}
    awake = Claim(tmp_path / "awake", **times)
    asleep = Claim(tmp_path / "asleep", **times)
    asleep._renew = lambda claimant: True  # its thread does nothing
    deadline = time.monotonic() + 20
    with awake, asleep:
        while not is_free(tmp_path / "asleep"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert not is_free(tmp_path / "awake")
        awake.check()


def test_a_claim_that_was_taken_is_lost(folder):
    claim = Claim(folder)
    claim.acquire()
    path = claim_file(folder)
    age(path)  # as if this process had been stopped for long
    with Claim(folder) as other:
        assert not path.exists()
        with pytest.raises(
            ClaimLostError, match="lost: another process has taken.*start again"
        ):
            claim.check()
        claim.release()
        other.check()
        assert len(os.listdir(folder)) == 1


def test_a_lost_claim_is_not_written_again(folder):
    claim = Claim(folder, expires_seconds=5, renew_seconds=0.01)
    claim.acquire()
    claim_file(folder).unlink()
    time.sleep(0.1)
    assert os.listdir(folder) == []
    with pytest.raises(ClaimLostError):
        claim.check()
    claim.release()


def test_who_slept_goes_on_if_nobody_came_and_gives_way_if(folder, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(claimants, "boot_clock", lambda: clock[0])
    claim = Claim(folder)
    claim.acquire()
    clock[0] += LONG_AGO
    claim.check()
    # Another one has come, and judged by what it saw before we woke.
    write_claim(folder, state="wanted")
    claim.check()
    clock[0] += LONG_AGO
    with pytest.raises(ClaimLostError, match="has taken it"):
        claim.check()
    assert len(os.listdir(folder)) == 1


def test_renewing_survives_errors_for_a_while(folder, monkeypatch):
    errors, right = [], claimants.Claimant._write
    broken = threading.Event()

    def sometimes(claimant, state):
        if broken.is_set():
            errors.append(1)
            raise OSError("stale file handle")
        return right(claimant, state)

    monkeypatch.setattr(claimants.Claimant, "_write", sometimes)
    claim = Claim(folder, expires_seconds=1.0, renew_seconds=0.04)
    with claim:
        broken.set()
        while len(errors) < 5:
            time.sleep(0.01)
        claim.check()
        broken.clear()
        time.sleep(0.1)
        claim.check()
        broken.set()
        time.sleep(1.2)
        with pytest.raises(
            ClaimLostError, match="not be renewed for .*stale file handle"
        ):
            claim.check()
    assert os.listdir(folder) == []


def test_nothing_is_written_after_the_release(folder):
    for _ in range(20):
        with Claim(folder, expires_seconds=2, renew_seconds=0.001):
            time.sleep(0.003)
        assert os.listdir(folder) == []
    time.sleep(0.05)
    assert os.listdir(folder) == []


# Remote places


@pytest.mark.parametrize("has_times", [True, False, "refused"])
def test_claims_work_in_a_bucket_with_times_and_without(
    has_times, cloud, monkeypatch
):
    monkeypatch.setattr(Cloud, "has_times", has_times)
    monkeypatch.setattr(Cloud, "now", time.time())
    assert holder(cloud) is None
    with Claim(cloud, expires_seconds=60, renew_seconds=0.01) as claim:
        assert holder(cloud).pid == os.getpid()
        assert not is_free(cloud)
        (before,) = Cloud.files.values()
        time.sleep(0.1)
        (after,) = Cloud.files.values()
        assert after != before  # renewed, with a later time in it
        claim.check()
    assert Cloud.files == {}
    path = write_claim(cloud, renewed=time.time() - 70)
    if has_times is True:
        # The server's clock alone counts: by that, the claim is fresh.
        assert not is_free(cloud)
        Cloud.now += 70
    assert is_free(cloud)
    assert not path.exists()


def test_a_remote_claim_that_was_taken_is_lost(cloud):
    with Claim(cloud, expires_seconds=60, renew_seconds=0.01) as claim:
        Cloud.files.clear()
        time.sleep(0.05)
        assert Cloud.files == {}
        with pytest.raises(ClaimLostError, match="has taken it"):
            claim.check()


# Processes


def test_a_process_is_dead_only_if_this_machine_knows_it():
    me = Process.current()
    assert not me.is_dead()
    assert not Process("afar", "other", 2**22 + 1, "").is_dead()
    with start("") as run:
        run.wait()
    if os.name == "posix":
        assert Process(me.host, me.machine, run.pid, "").is_dead()
    if me.start:  # the number was given anew
        assert Process(me.host, me.machine, me.pid, me.start + "0").is_dead()
