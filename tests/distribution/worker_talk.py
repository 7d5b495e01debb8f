"""What one of two workers says and hears; run by test_workers.py."""

import hashlib

import numpy as np
import tf_keras

from tflottery.distribution import exchange, get_strategy
from tflottery.distribution import workers as module
from tflottery.layers import replicas


def talk():
    """Goes through all there is to say, in the order of the other worker."""
    strategy = get_strategy("multi_worker")
    workers = module.Workers(strategy)

    def hear(what, value):
        print(f"{what} hears: {value}", flush=True)

    hear("place", (workers.number, workers.count, workers.replicas))
    hear("own", exchange.own_numbers(strategy))

    # A value that the chief alone can make, larger than one exchange.
    exchange._CHUNK = 1000
    secret = np.random.default_rng(workers.number).normal(size=3000)
    value = workers.from_chief(lambda: {"a": secret, "b": None})
    hear("broadcast", hashlib.sha256(value["a"].tobytes()).hexdigest())
    hear("nothing", workers.from_chief(lambda: None))

    def fail():
        raise ValueError("`run_dir` is a file.")

    try:
        workers.from_chief(fail)
    except (ValueError, module.ChiefFailedError) as error:
        hear("failed", f"{type(error).__name__}: {error}")
    hear("after", workers.from_chief(lambda: "still in step"))

    same = hashlib.sha256(b"same").hexdigest()
    workers.check_same("mask of round 1", same)
    other = hashlib.sha256(bytes([workers.number])).hexdigest()
    try:
        workers.check_same("mask of round 2", other)
    except module.WorkersDisagreeError as error:
        hear("disagree", error)

    # Bits that a sum of floats would not keep, and types of any width.
    own = [
        np.array([-0.0, np.nan, np.inf], np.float16) * (1 + workers.number),
        np.array([[workers.number, 250]], np.uint8),
        np.array(-(2**62) + workers.number, np.int64),
    ]
    number = exchange.own_numbers(strategy)[0]
    everyones = exchange.copies_of_all(strategy, {number: own})
    for key in sorted(everyones):
        hear(f"copies {key}", [a.tobytes().hex() for a in everyones[key]])

    with strategy.scope():
        layer = tf_keras.layers.BatchNormalization()
        layer.build((None, 2))
    mean = layer.moving_mean

    def set_own():
        mean.assign([float(workers.number), -float(workers.number)])

    strategy.run(set_own)
    copies = replicas.own_copies({"mean": mean, "gamma": layer.gamma})
    hear("names", list(copies))
    hear("statistics", [copy.numpy().tolist() for copy in copies["mean"]])
    whole = replicas.summary(mean, copies["mean"])
    hear("mean", whole.numpy().tolist())
    for place, copy in enumerate(copies["mean"]):
        copy.assign([10.0 + place, 0.0])
    again = replicas.own_copies({"mean": mean})["mean"]
    hear("assigned", [copy.numpy().tolist() for copy in again])
    with workers.watched():
        pass


if __name__ == "__main__":
    talk()
