"""Strong tickets: subnetworks of random networks, and masks that are trained.

Trains a classifier of handwritten digits, finds it again inside random
networks by three constructions, each with weights that may be off by less and
less, and trains masks over random weights at several densities. Draws the
figures of docs/guides/strong_tickets.md.

Run it with `python examples/strong_tickets.py [OUTPUT_DIR]`; it takes about
two minutes.
"""

from __future__ import annotations

import csv
import pathlib
import sys

import keras

import tflottery
from tflottery import supermasks
from tflottery.reports import drawing, strong_tickets

WEIGHT_ERRORS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
DENSITIES = (0.1, 0.3, 0.5, 0.7, 0.9)
BATCH_SIZE, STEPS = 60, 1000


def build(hidden: int, *, use_bias: bool) -> keras.Model:
    """Returns a classifier of 8x8 images."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(hidden, "relu", use_bias=use_bias),
            keras.layers.Dense(10, use_bias=use_bias),
        ]
    )


def train(model: keras.Model, data: tflottery.data.Dataset, optimizer) -> float:
    """Trains what can be trained of a model; returns its test accuracy."""
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=50,
    )
    stream = data.train_batches(BATCH_SIZE, seed=0)  # in an order of its own
    model.fit(stream, steps_per_epoch=STEPS, shuffle=False, verbose=0)
    return model.evaluate(data.test_batches(100), verbose=0)[1]


def construct(data: tflottery.data.Dataset, output: pathlib.Path) -> None:
    """Finds a trained network inside random ones; writes the certificates."""
    target = build(16, use_bias=True)
    accuracy = train(target, data, "adam")
    inputs, _ = next(data.train_batches(500, seed=1).as_numpy_iterator())
    certificates = []
    for weight_error in WEIGHT_ERRORS:
        for find in (
            supermasks.logarithmic_ticket,
            supermasks.subset_sum_ticket,
            supermasks.polynomial_ticket,
        ):
            if find is supermasks.polynomial_ticket and weight_error < 1e-3:
                continue  # millions of units
            ticket = find(target, inputs, weight_error=weight_error, seed=1)
            certificates.append(ticket.certificate)
    print(ticket.certificate)
    for certificate in certificates:
        certificate.save(
            output / f"{certificate.construction.replace(' ', '_')}_"
            f"{certificate.weight_error:g}.certificate.json"
        )
    drawing.save(
        strong_tickets.draw_errors(certificates), output, "strong_ticket_errors"
    )
    print(f"target: {accuracy:.2%} test accuracy")


def train_masks(data: tflottery.data.Dataset, output: pathlib.Path) -> None:
    """Trains masks and no weight; writes a table and a figure."""
    rows = {
        law: [
            {
                "density": density,
                "test_accuracy_best": train_mask(data, law, density),
            }
            for density in DENSITIES
        ]
        for law in ("signed_constant", "kaiming_normal")
    }
    with (output / "supermasks.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["initial_weights", "density", "test_accuracy"])
        for law, of_law in rows.items():
            table.writerows([law, *row.values()] for row in of_law)
    dense = train(build(128, use_bias=False), data, "adam")
    drawing.save(
        strong_tickets.draw_accuracies(rows, dense),
        output,
        "supermask_accuracy",
    )


def train_mask(data: tflottery.data.Dataset, law: str, density: float) -> float:
    """Returns the test accuracy of random weights under a trained mask."""
    model = supermasks.edge_popup(
        build(128, use_bias=False), density, initial_weights=law
    )
    rate = keras.optimizers.schedules.CosineDecay(0.4, STEPS)
    accuracy = train(model, data, keras.optimizers.SGD(rate, momentum=0.9))
    print(f"{law}, {density:.0%} of the weights: {accuracy:.2%}", flush=True)
    return accuracy


def main(output: pathlib.Path) -> None:
    """Does both."""
    output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    data = tflottery.data.load("digits")
    construct(data, output)
    train_masks(data, output)
    print(f"Figures and certificates are in {output}.")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "strong_tickets"))
