"""The files for clusters, and the command lines of the guide, are taken by us.

Nothing of a cluster is here, so the scripts run under bash with stand-ins for
`srun`, `scontrol`, `gcloud` and the like in front of the path. The stand-in for
`tflottery` notes what it was called with, as bash has expanded it.
"""

import csv
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from tflottery.cli import commands, find, flags

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLUSTERS = ROOT / "examples" / "clusters"
GUIDE = ROOT / "docs" / "guides" / "distributed.md"
SCRIPTS = sorted(CLUSTERS.glob("*.sh"))
SLURM = [CLUSTERS / "slurm_array.sh", CLUSTERS / "slurm_workers.sh"]

# One write for each call, so that two processes do not mix theirs.
_NOTE = 'line="$(printf "%s\\x1f" "${0##*/}" "${TF_CONFIG-}" "$@")"\n'
_NOTE += 'printf "%s\\x1e" "${line}" >> "${CALLS}"\n'
STAND_INS = {
    "tflottery": _NOTE + 'exit "${CODE:-0}"\n',
    "srun": 'while [[ "$1" == -* ]]; do shift; done\nexec "$@"\n',
    "scontrol": _NOTE,
    "sudo": _NOTE,
    "pip": _NOTE,
    # Makes a wheel, or an environment with the other stand-ins in it.
    "python3": """
case "$2" in
  pip) touch "${6#--wheel-dir=}/tflottery-0-py3-none-any.whl" ;;
  venv) mkdir -p "$3/bin" && cp "${0%/*}"/* "$3/bin" ;;
esac
""",
    # `ssh` runs its command in a folder that is the home of the VM.
    "gcloud": _NOTE
    + """
case "$4" in
  describe) echo ACTIVE ;;
  scp) cp "$5" "${VM}" ;;
  ssh) cd "${VM}" && bash -c "${7#--command=}" ;;
esac
""",
}


class Shell:
    """Runs bash with the stand-ins, and tells what they were called with."""

    def __init__(self, folder):
        self.folder = folder
        self.calls_file = folder / "calls"
        self.vm = folder / "vm"
        self.vm.mkdir()
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        for name, text in STAND_INS.items():
            program = bin_folder / name
            program.write_text(f"#!/usr/bin/env bash\n{text}")
            program.chmod(0o755)
        path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
        self.environment = {
            **os.environ,
            "PATH": path,
            "CALLS": str(self.calls_file),
            "VM": str(self.vm),
            "SLURM_JOB_ID": "7",
            "SLURM_ARRAY_TASK_ID": "1",
            "JOB_COMPLETION_INDEX": "3",
            "BUCKET": "bucket",
        }

    def run(self, *arguments, **environment):
        return subprocess.run(
            ["bash", *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def calls(self, name="tflottery"):
        """Returns `(TF_CONFIG, arguments)` of each call, in order."""
        if not self.calls_file.exists():
            return []
        records = self.calls_file.read_text().split("\x1e")[:-1]
        calls = [record.split("\x1f")[:-1] for record in records]
        return [(call[1], call[2:]) for call in calls if call[0] == name]


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


def taken(arguments):
    """Parses what follows `tflottery`; returns the flags' values."""
    command, *rest = arguments
    assert command == "find"
    values = commands.COMMANDS["find"].flags()
    assert flags.parse(values, rest) == []
    config = find.search_config(values)  # settings that go together
    given = {name: values[name].value for name in values}
    return {**given, **config.to_dict()}


def job():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((CLUSTERS / "kubernetes_job.yaml").read_text())


def sbatch_options(script):
    """Returns the options that sbatch reads: those above all commands."""
    options = {}
    for line in script.read_text().splitlines():
        if line and not line.startswith("#"):
            break
        if line.startswith("#SBATCH "):
            name, _, value = line.removeprefix("#SBATCH --").partition("=")
            options[name] = value
    assert len(options) == script.read_text().count("#SBATCH --")
    return options


def test_every_file_is_listed_and_says_what_to_change():
    listed = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    explained = GUIDE.read_text(encoding="utf-8")
    files = sorted(CLUSTERS.iterdir())
    assert len(files) >= 4
    for file in files:
        assert f"](clusters/{file.name})" in listed
        assert f"/clusters/{file.name})" in explained
        assert "\n# Change" in file.read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_and_may_be_executed(script):
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)


def test_every_command_line_of_the_guide_is_taken(shell):
    blocks = re.findall(
        r"^```bash\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE
    )
    lines = sum(block.count("tflottery find") for block in blocks)
    for block in blocks:
        result = shell.run("-c", block)
        assert result.returncode == 0, result.stderr
    calls = shell.calls()
    assert len(calls) == lines >= 10
    found = [taken(arguments) for _, arguments in calls]
    strategies = {values["strategy"] for values in found}
    assert strategies == {"none", "mirrored", "multi_worker", "tpu"}


def test_the_workers_of_the_guide_form_one_cluster(shell):
    text = GUIDE.read_text()
    for block in re.findall(
        r"^```bash\n(TF_CONFIG=.*?)^```$", text, re.S | re.M
    ):
        shell.run("-c", block)
    (first, one), (second, other) = shell.calls()
    assert one == other
    first, second = json.loads(first), json.loads(second)
    assert first["cluster"] == second["cluster"]
    assert len(first["cluster"]["worker"]) == 2
    assert [each["task"]["index"] for each in (first, second)] == [0, 1]


def test_an_array_task_does_the_replicate_of_its_number(shell):
    script = CLUSTERS / "slurm_array.sh"
    result = shell.run(script, "--steps=200", "--model_options={}")
    assert result.returncode == 0, result.stderr
    ((_, arguments),) = shell.calls()
    values = taken(arguments)
    assert values["replicate"] == "1"
    assert values["steps"] == 200
    options = sbatch_options(script)
    assert options["array"] == f"0-{values['replicates'] - 1}"
    assert {"requeue", "signal", "open-mode"} <= set(options)


def test_the_workers_of_slurm_divide_the_batch(shell):
    script = CLUSTERS / "slurm_workers.sh"
    result = shell.run(script)
    assert result.returncode == 0, result.stderr
    ((_, arguments),) = shell.calls()
    values = taken(arguments)
    assert (values["strategy"], values["keras"]) == ("multi_worker", "tf_keras")
    options = sbatch_options(script)
    gpus = int(options["nodes"]) * int(options["gpus-per-node"])
    assert values["batch_size"] % gpus == 0


@pytest.mark.parametrize("script", SLURM, ids=lambda path: path.name)
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (130, 0),  # interrupted, since the time is up: queued again
        (143, 143),  # ended by whoever sent SIGTERM, who knows what is next
        (1, 1),  # failed
    ],
)
def test_what_becomes_of_a_slurm_task_that_fails(shell, script, code, expected):
    result = shell.run(script, CODE=str(code))
    assert result.returncode == expected
    assert len(shell.calls()) == 1
    requeued = [arguments for _, arguments in shell.calls("scontrol")]
    assert requeued == ([["requeue", "7"]] if code == 130 else [])


def test_the_job_is_indexed_and_survives_preemption():
    found = job()
    assert (found["apiVersion"], found["kind"]) == ("batch/v1", "Job")
    spec = found["spec"]
    assert spec["completionMode"] == "Indexed"
    assert 1 <= spec["parallelism"] <= spec["completions"]
    assert spec["backoffLimitPerIndex"] >= 1
    # Required where one of the two policies is used.
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule["action"] == "Ignore"
    (condition,) = rule["onPodConditions"]
    assert condition == {"type": "DisruptionTarget", "status": "True"}
    (container,) = pod["containers"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


@pytest.mark.parametrize("code", [0, 1])
def test_a_pod_does_the_replicate_of_its_index(shell, code):
    spec = job()["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    program, option = container["command"]
    assert program == "bash"
    (text,) = container["args"]
    result = shell.run(option, text, CODE=str(code))
    assert result.returncode == code, result.stderr
    calls = [taken(arguments) for _, arguments in shell.calls()]
    assert len(calls) == 1
    assert calls[0]["replicate"] == "3"
    assert calls[0]["replicates"] == spec["completions"]
    (mount,) = container["volumeMounts"]
    assert calls[0]["run_dir"].startswith(f"{mount['mountPath']}/")


@pytest.mark.parametrize("code", [0, 1])
def test_a_tpu_vm_is_made_used_and_deleted_however_it_ends(shell, code):
    options = '{"hidden": [20, 10]}'
    script = CLUSTERS / "tpu_vm.sh"
    result = shell.run(script, f"--model_options={options}", CODE=str(code))
    assert result.returncode == code, result.stderr
    ((_, arguments),) = shell.calls()
    values = taken(arguments)
    assert values["strategy"] == "tpu"
    assert values["keras"] == "tf_keras"
    assert values["run_dir"].startswith("gs://bucket/")
    assert values["model_options"] == json.loads(options)
    steps = [arguments[2:4] for _, arguments in shell.calls("gcloud")]
    assert [verb for _, verb in steps] == [
        "create",
        "describe",
        "scp",
        "ssh",
        "ssh",
        "delete",
    ]
    # The wheel has arrived, and TensorFlow for TPUs was installed last.
    assert list(shell.vm.glob("tflottery-*.whl"))
    installed = [arguments for _, arguments in shell.calls("pip")]
    assert installed[-1][-2].startswith("tensorflow-tpu==")


def test_a_tpu_vm_needs_no_further_flags(shell):
    assert shell.run(CLUSTERS / "tpu_vm.sh").returncode == 0
    ((_, arguments),) = shell.calls()
    assert taken(arguments)["steps"] > 0


@pytest.mark.slow
def test_two_array_tasks_at_once_share_one_run_directory(shell, tmp_path):
    program = tmp_path / "program"
    line = shlex.join([sys.executable, "-m", "tflottery.cli.main"])
    program.write_text(f'#!/usr/bin/env bash\nexec {line} "$@"\n')
    program.chmod(0o755)
    search = [
        "--dataset=digits",
        '--model_options={"hidden": [8]}',
        "--steps=40",
        "--validate_every=20",
        "--rounds=2",
    ]

    def start(*command, **environment):
        return subprocess.Popen(
            [*map(str, command), *search],
            cwd=tmp_path,
            env={
                **shell.environment,
                "PYTHONPATH": str(ROOT),
                "TFLOTTERY": str(program),
                "REPLICATES": "2",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(process):
        printed = process.communicate(timeout=300)[0]
        assert process.returncode == 0, printed
        return printed

    def rows(run_dir):
        with open(tmp_path / run_dir / "results.csv", newline="") as file:
            return [
                {k: v for k, v in row.items() if k != "seconds"}
                for row in csv.DictReader(file)
            ]

    script = CLUSTERS / "slurm_array.sh"
    tasks = [
        start(script, RUN_DIR="shared", SLURM_ARRAY_TASK_ID=number)
        for number in ("0", "1")
    ]
    for task in tasks:
        finish(task)
    shared = rows("shared")
    assert [(row["replicate"], row["round"]) for row in shared] == [
        (replicate, round) for replicate in "01" for round in "012"
    ]
    finish(start(program, "find", "--run_dir=alone", "--replicates=2"))
    assert shared == rows("alone")
