"""Searches on a TPU; or anywhere, to try the same program before.

On a TPU VM:

    python examples/tpu.py gs://BUCKET/runs/tpu --strategy=tpu --tpu=local

Anywhere, in half a minute:

    python examples/tpu.py [RUN_DIR] --strategy=one_device

Stop it whenever you like and start it again: it goes on where it was. No TPU
was at hand when this was written; see docs/guides/distributed.md.
"""

from __future__ import annotations

import argparse

import tflottery
from tflottery import distribution


def main() -> None:
    """Reads the command line, searches and prints the verdict."""
    parser = argparse.ArgumentParser(description="Searches on a TPU.")
    parser.add_argument("run_dir", nargs="?", default="runs/tpu")
    parser.add_argument("--strategy", default="tpu")
    parser.add_argument("--tpu", help="name or address of the TPU")
    arguments = parser.parse_args()

    # First of all: a TPU is connected to before TensorFlow runs anything.
    strategy = distribution.get_strategy(arguments.strategy, tpu=arguments.tpu)
    replicas = strategy.num_replicas_in_sync
    print(f"{replicas} replicas in sync")

    config = tflottery.SearchConfig(
        dataset="digits",
        model="mlp",
        model_options={"hidden": [64]},
        keras="tf_keras",  # the family that TPUs are driven by
        batch_size=64,  # of the whole step, on all replicas together
        steps=200,
        validate_every=50,  # as many steps go to the TPU at a time
        rounds=3,
    )
    result = tflottery.find_ticket(
        config=config, run_dir=arguments.run_dir, strategy=strategy
    )
    for row in result.rows:
        print(
            f"round {row['round']}: density {row['density']:.3f}, "
            f"test accuracy {row['test_accuracy_best']:.3f} "
            f"at step {row['best_step']}"
        )
    print(result.verdict)


if __name__ == "__main__":
    main()
