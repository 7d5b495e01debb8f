"""Searches for tickets as an experiment: replicates, a table, all on disk.

Run it with `python examples/search.py [RUN_DIR]`. Stop it whenever you like
and start it again: it goes on where it was.
"""

from __future__ import annotations

import sys

import tflottery


def main(run_dir: str = "runs/search") -> None:
    """Searches and prints the verdict."""
    config = tflottery.SearchConfig(
        dataset="digits",
        model="mlp",
        model_options={"hidden": [64]},
        steps=200,
        validate_every=20,
        rounds=4,
        replicates=2,
        output_prune_fraction=0.1,
    )
    result = tflottery.find_ticket(config=config, run_dir=run_dir)
    for row in result.rows:
        print(
            f"replicate {row['replicate']} round {row['round']}: "
            f"density {row['density']:.3f}, "
            f"test accuracy {row['test_accuracy_best']:.3f} "
            f"at step {row['best_step']}"
        )
    print(result.verdict)


if __name__ == "__main__":
    main(*sys.argv[1:])
