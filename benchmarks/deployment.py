"""The command `python -m benchmarks.deployment`: what exported files are like.

For each network and each way to store its numbers, dense and sparse: whether
the file converts and runs, how large it is, how far its outputs are from the
model's, how accurate it is, how long an example takes. Then what compaction
leaves of two tickets, and what that gains.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from benchmarks import machine

_QUANTIZE = (None, "float16", "dynamic_range", "int8")


def forms_of(model: Any, data: Any, **options: Any) -> list[dict[str, Any]]:
    """Exports a network in every way.

    Args:
        model: a Keras model.
        data: examples; the model's own kind of noise if `None`.
        **options: for `to_tflite`.

    Returns:
        A dict for each way: dense and sparse, for each `quantize`.
    """
    from tflottery import export
    from tflottery.export import inputs

    if data is None:
        data = inputs.generated(inputs.signature(model), 100)
    found: dict[str, dict[str, Any]] = {}
    for quantize in _QUANTIZE:
        with tempfile.TemporaryDirectory() as folder:
            try:
                report = export.to_tflite(
                    model,
                    f"{folder}/model.tflite",
                    quantize=quantize,
                    representative_data=data,
                    **options,
                )
            except export.ExportError as error:
                name = f"dense {quantize}"
                found[name] = {"name": name, "reason": str(error)}
                continue
        for form in report.to_dict()["forms"]:
            found.setdefault(form["name"], form)
    return list(found.values())


def compacted(dense: Any, pruned: Any, test: Any) -> dict[str, Any]:
    """Compacts a network and times it beside the dense one, in turn."""
    from tflottery import export
    from tflottery.export import inputs, interpreter, latency

    report = export.CompactionReport()
    small = export.compact(pruned, report=report)
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        reports = {}
        for name, model in (("dense", dense), ("compacted", small)):
            files[name] = f"{folder}/{name}.tflite"
            reports[name] = export.to_tflite(
                model, files[name], sparse=False, validate_on=test
            )
        example = inputs.generated(inputs.signature(small), 1)
        with interpreter.Interpreter() as running:
            for file in files.values():
                running.load(file)
            times = latency.measure(running, files, example, seconds=10)
    return {
        "parameters": [report.parameters_before, report.parameters_after],
        "kernel_entries": [report.kernel_before, report.kernel_after],
        "flops": [report.flops_before, report.flops_after],
        "bytes": [r.sizes.raw for r in reports.values()],
        "accuracy": [r.accuracy.file for r in reports.values()],
        "ms": [str(time) for time in times.values()],
        "faster": times["dense"].median / times["compacted"].median,
        "said": str(report),
    }


def as_tables(found: dict[str, Any]) -> str:
    """Returns the figures as Markdown."""
    lines = [
        "| network | form | runs | raw | gzip | difference | accuracy | ms |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, forms in found["forms"].items():
        lines += [_row(name, form) for form in forms]
    lines += [
        "",
        "| compacted | kernel weights | FLOPs | bytes | accuracy | ms "
        "| faster |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, case in found["compacted"].items():
        cells = [
            f"{before:{kind}} → {after:{kind}}"
            for (before, after), kind in (
                (case["kernel_entries"], ","),
                (case["flops"], ","),
                (case["bytes"], ","),
                (case["accuracy"], ".2%"),
                (case["ms"], ""),
            )
        ]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {case['faster']:.2f} × |"
        )
    return "\n".join(lines)


def _row(name, form):
    sizes, accuracy = form.get("sizes"), form.get("accuracy")
    latency, apart = form.get("latency"), form.get("difference")
    cells = [
        name,
        form["name"],
        "yes" if form.get("runs") else "**no**",
        f"{sizes['raw']:,}" if sizes else "–",
        f"{sizes['gzip']:,}" if sizes else "–",
        f"{apart:.0e}" if isinstance(apart, float) else apart or "–",
        f"{accuracy['file']:.2%}" if accuracy else "–",
        f"{latency['median']:.3g}" if latency else "–",
    ]
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.deployment",
        description=__doc__.split("\n")[0],
    )
    parser.add_argument("--data_dir", help="TFDS data, with MNIST")
    parser.add_argument("--tickets", required=True, help="folder of searches")
    parser.add_argument("--output", metavar="FILE.json", help="keep figures")
    parser.add_argument("--only", default="", help="networks of such a name")
    options = parser.parse_args(arguments)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from benchmarks.deployment_networks import Networks

    networks = Networks(options.tickets, options.data_dir)
    found: dict[str, Any] = {
        "date": datetime.datetime.now().isoformat(timespec="minutes"),
        "machine": machine.describe(),
        "forms": {},
        "compacted": {},
    }
    for name, build in networks.by_name().items():
        if options.only not in name:
            continue
        print(f"{name} ...", file=sys.stderr, flush=True)
        on_mnist = name.startswith(("LeNet", "Conv"))
        test = networks.test(10_000 if name.startswith("LeNet") else 2000)
        found["forms"][name] = forms_of(
            build(),
            networks.examples() if on_mnist else None,
            validate_on=test if on_mnist else None,
        )
        _keep(found, options.output)
    cases = {
        "LeNet-300-100, 98.5 %": ("lenet_300_100", networks.lenet),
        "Conv-4, 75 % of channels": (
            "conv4",
            networks.conv4_without_channels,
        ),
    }
    for name, (model, build) in cases.items():
        if options.only not in name:
            continue
        print(f"{name}, compacted ...", file=sys.stderr, flush=True)
        found["compacted"][name] = compacted(
            networks.dense(model), build(), networks.test(2000)
        )
        _keep(found, options.output)
    print(as_tables(found))
    return 0


def _keep(found, output):
    if output:
        text = json.dumps(found, indent=1) + "\n"
        pathlib.Path(output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
