"""From training to a classified image: a sparse network as a TFLite file.

Prunes a classifier of handwritten digits, exports it in three ways, and has
LiteRT's interpreter, which is all that a device needs, read one image.

Run it with `python examples/export_tflite.py [OUTPUT_DIR]`; it takes about a
minute.
"""

from __future__ import annotations

import pathlib
import sys

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

import tflottery


def train(data: tflottery.data.Dataset) -> keras.Model:
    """Returns a network with a tenth of its weights left, wrapped."""
    model = tflottery.prune_iteratively(
        keras.Sequential(
            [
                keras.Input((8, 8, 1), name="image"),
                keras.layers.Flatten(),
                keras.layers.Dense(300, activation="relu"),
                keras.layers.Dense(100, activation="relu"),
                keras.layers.Dense(10),
            ]
        ),
        prune_fraction=0.44,
        rewind_to="1ep",
    )
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    search = tflottery.callbacks.IterativePruning(rounds=4, epochs_per_round=8)
    model.fit(
        data.train_batches(64, seed=0),
        steps_per_epoch=data.steps_per_epoch(64),
        epochs=search.epochs,
        verbose=0,
        callbacks=[search],
    )
    return model


def classify(path: pathlib.Path, image: np.ndarray) -> int:
    """Returns the digit that a TFLite file sees in an image of 8 x 8."""
    interpreter = Interpreter(str(path))
    run = interpreter.get_signature_runner("serving_default")
    return int(run(image=image[None])["output_0"].argmax())


def main(output_dir: str = "runs/export_tflite") -> None:
    """Trains, exports and classifies."""
    output = pathlib.Path(output_dir)
    keras.utils.set_random_seed(0)
    data = tflottery.data.load("digits")
    model = train(data)

    # Zeros left out of the file: 6 times smaller, and the same numbers.
    report = tflottery.export.to_tflite(
        model, output / "sparse.tflite", validate_on=data.test_batches(100)
    )
    print(report, end="\n\n")
    report.save(output / "sparse.json")

    # Eight bits a weight, which need examples to find their range.
    report = tflottery.export.to_tflite(
        model,
        output / "int8.tflite",
        quantize="int8",
        representative_data=data.validation_batches(100),
        validate_on=data.test_batches(100),
    )
    print(report, end="\n\n")

    # Units that nothing reaches any more, or that reach nothing, taken out:
    # a smaller dense network, which is faster everywhere.
    found = tflottery.export.CompactionReport()
    small = tflottery.export.compact(model, report=found)
    print(found, end="\n\n")
    tflottery.export.to_tflite(small, output / "compact.tflite")

    images, labels = next(iter(data.test_batches(1)))
    image = np.asarray(images)[0]
    for row in image[..., 0]:
        print("".join(" .:*#"[min(int(value * 5), 4)] * 2 for value in row))
    for name in ("sparse", "int8", "compact"):
        digit = classify(output / f"{name}.tflite", image)
        print(f"{name}.tflite says {digit}; it is {int(labels[0])}")


if __name__ == "__main__":
    main(*sys.argv[1:])
