"""`find_ticket` on two true replicas finds what it finds on one device."""

import numpy as np
import pytest
from on_replicas import check_replicas_agree
from run_contents import contents

import tflottery
from tflottery import models
from tflottery.core.mask import Mask
from tflottery.lottery import network
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.progress import Progress

DIGITS = SearchConfig(
    dataset="digits",
    batch_size=50,
    steps=40,
    validate_every=20,
    rounds=2,
    prune_fraction=0.4,
    rewind_to="10it",
    rewind_optimizer="restore",
)


# Two replicas take their time: the second family is in the slow tier.
in_both = pytest.mark.parametrize(
    "any_keras",
    ["keras", pytest.param("tf_keras", marks=pytest.mark.slow)],
    indirect=True,
)


class Looking(Progress):
    """Looks at the replicas whenever a round begins.

    By then the mask has been set and the state rewound.
    """

    def __init__(self, monkeypatch):
        self.looked = 0
        self.model = None
        self._monkeypatch = monkeypatch

    def start(self, total_rounds, replicates):
        prepare = network.prepare

        def note(*arguments):
            self.model = prepare(*arguments)
            return self.model

        self._monkeypatch.setattr(network, "prepare", note)

    def round_started(self, replicate, round, density, steps):
        assert self.model.distribute_strategy.num_replicas_in_sync == 2
        check_replicas_agree(self.model)
        self.looked += 1


def in_double(keras, name, data, **options):
    """Builds in 64 bits: sums in another order then keep the weights' order.

    In 32 bits they differ in the last bit, training carries that on, and of
    several hundred thousand weights some change places at the threshold.
    """

    def build(seed):
        policy = keras.mixed_precision.global_policy
        set_policy = keras.mixed_precision.set_global_policy
        before = policy()
        set_policy("float64")
        try:
            return models.build(
                name,
                keras,
                input_shape=data.input_shape,
                num_classes=data.num_classes,
                seed=seed,
                **options,
            )
        finally:
            set_policy(before)

    return build


def masks(folder, rounds):
    return [
        Mask.load(folder / "replicate_0" / f"round_{round:02d}" / "mask")
        for round in range(rounds + 1)
    ]


def search(folder, **keywords):
    tflottery.find_ticket(run_dir=folder, summaries=False, **keywords)


def both_ways(tmp_path, monkeypatch, two_replicas, build, config, data):
    """Searches on one device and on two replicas; returns the masks."""
    common = {"build": build, "config": config, "data": data}
    search(tmp_path / "one", **common, strategy="none")
    looking = Looking(monkeypatch)
    search(tmp_path / "two", **common, strategy=two_replicas, progress=looking)
    assert looking.looked == config.rounds + 1
    return [masks(tmp_path / name, config.rounds) for name in ("one", "two")]


@pytest.fixture(scope="module")
def mnist(mnist_dir):
    return tflottery.data.load(
        "tfds:mnist", data_dir=mnist_dir, validation=5000, seed=0
    )


@pytest.mark.slow
def test_mnist_masks_of_five_rounds_are_those_of_one_device(
    any_keras, two_replicas, mnist, tmp_path, monkeypatch
):
    """LeNet-300-100 with momentum, rewound to step 20."""
    config = SearchConfig(
        keras=any_keras.__name__,
        optimizer="sgd",
        learning_rate=0.1,
        optimizer_options={"momentum": 0.9},
        steps=60,
        validate_every=60,
        rounds=5,
        rewind_to="20it",
        rewind_optimizer="restore",
        jit_compile=False,
    )
    build = in_double(any_keras, "lenet_300_100", mnist)
    one, two = both_ways(
        tmp_path, monkeypatch, two_replicas, build, config, mnist
    )
    assert one == two
    assert one[5].size == 266_200
    assert one[5].density == pytest.approx(0.8**5, abs=1e-5)


@pytest.mark.slow
def test_in_32_bits_few_weights_change_places(
    any_keras, two_replicas, tmp_path
):
    """Adam; of the 1,184 weights, those whose order rounding decides."""
    config = DIGITS.replace(
        keras=any_keras.__name__,
        model_options={"hidden": [16]},
        validate_every=40,
    )
    search(tmp_path / "one", config=config)
    search(tmp_path / "two", config=config, strategy=two_replicas)
    for one, two in zip(
        masks(tmp_path / "one", 2), masks(tmp_path / "two", 2), strict=True
    ):
        assert one.kept == two.kept
        assert one.overlap(two) >= 0.99


def normalised(keras):
    def build():
        return keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(16, activation="relu"),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.2),
                keras.layers.Dense(10),
            ]
        )

    return build


class Interrupts(Progress):
    def step(self, replicate, round, step, metrics):
        if (round, step) == (1, 40):
            raise KeyboardInterrupt


class Steps(Progress):
    def __init__(self):
        self.seen = []

    def step(self, replicate, round, step, metrics):
        self.seen.append((round, step))


@pytest.mark.slow
@in_both
def test_a_search_on_replicas_goes_on_inside_a_round(
    any_keras, two_replicas, tmp_path
):
    """Each replica has its own statistics and its own randomness."""
    common = {
        "build": normalised(any_keras),
        "config": DIGITS.replace(rounds=1),
        "strategy": two_replicas,
        "checkpoint_seconds": 0,
    }
    search(tmp_path / "whole", **common)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "parts", **common, progress=Interrupts())
    assert (tmp_path / "parts/replicate_0/round_01/checkpoint").exists()
    steps = Steps()
    search(tmp_path / "parts", **common, progress=steps)
    assert steps.seen == [(1, 40)]  # from the checkpoint at step 20
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_batch_that_cannot_be_divided_is_refused_at_once(
    two_replicas, tmp_path
):
    with pytest.raises(ValueError, match="batch_size=51. Use 50 or 52"):
        search(
            tmp_path / "run",
            config=DIGITS.replace(batch_size=51),
            strategy=two_replicas,
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_what_keras_3_cannot_do_is_chosen_around_and_said(
    two_replicas, tmp_path, caplog
):
    config = DIGITS.replace(model_options={"hidden": [8]}, rounds=0, steps=20)
    with caplog.at_level("INFO", "tflottery"):
        search(tmp_path, config=config, strategy=two_replicas)
    assert "steps_per_execution=1 instead of 20" in caplog.text
    assert "jit_compile=False instead of True" in caplog.text


@in_both
def test_evaluation_is_that_of_one_device(any_keras, two_replicas, tmp_path):
    """397 test examples: neither even, nor a multiple of anything."""
    config = DIGITS.replace(
        keras=any_keras.__name__,
        model_options={"hidden": [8]},
        rounds=0,
        steps=20,
    )
    rows = []
    for name, strategy in (("one", "none"), ("two", two_replicas)):
        result = tflottery.find_ticket(
            config=config,
            run_dir=tmp_path / name,
            strategy=strategy,
            summaries=False,
        )
        rows.append(result.rows[0])
    one, two = rows
    for column in ("test_accuracy_final", "validation_accuracy"):
        assert one[column] == pytest.approx(two[column], abs=1e-6)
    np.testing.assert_allclose(
        one["validation_loss"], two["validation_loss"], rtol=1e-5
    )
