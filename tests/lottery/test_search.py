"""`find_ticket`: exact, resumable, and honest about what it finds."""

import contextlib

import keras
import numpy as np
import pytest
from run_contents import contents, read_csv

import tflottery
from tflottery.lottery import network, recipes, run_directory, verdict
from tflottery.lottery.config import SearchConfig

CONFIG = SearchConfig(
    dataset="digits",
    model_options={"hidden": [12, 8]},
    batch_size=50,
    steps=60,
    validate_every=20,
    rounds=2,
    prune_fraction=0.4,
    output_prune_fraction=0.2,
)


def search(run_dir, config=CONFIG, **keywords):
    keywords = {"summaries": False, **keywords}
    return tflottery.find_ticket(config=config, run_dir=run_dir, **keywords)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, search(folder)


def test_rows_hold_the_contract_and_the_exact_densities(finished):
    folder, result = finished
    rows = read_csv(folder / "results.csv")
    assert tuple(rows[0]) == run_directory.COLUMNS
    assert [int(row["round"]) for row in rows] == [0, 1, 2]
    sizes = {"fc1": 64 * 12, "fc2": 12 * 8, "output": 80}
    for round, row in enumerate(result.rows):
        kept = sum(
            round_half_even(
                size * ((0.8 if name == "output" else 0.6) ** round)
            )
            for name, size in sizes.items()
        )
        assert row["density"] == kept / sum(sizes.values())
        assert row["sparsity"] == pytest.approx(1 - row["density"])
        assert row["steps"] == 60 and row["best_step"] % 20 == 0


def round_half_even(value):
    return int(np.round(value))


def test_the_early_stopping_step_is_the_lowest_validation_loss(finished):
    folder, result = finished
    for row in result.rows:
        path = folder / f"replicate_0/round_{row['round']:02d}/history.csv"
        curve = read_csv(path)
        assert [int(r["step"]) for r in curve] == [20, 40, 60]
        best = min(curve, key=lambda r: float(r["validation_loss"]))
        assert row["best_step"] == int(best["step"])
        assert row["validation_loss"] == float(best["validation_loss"])


def test_tickets_start_from_the_first_weights(finished):
    folder, result = finished
    initial = tflottery.Snapshot.load(folder / "replicate_0" / "initial")
    for round in range(3):
        ticket = result.ticket_of_round(round)
        assert ticket.snapshot.digest() == initial.digest()
        assert ticket.info["round"] == round
        if round:
            assert ticket.mask <= result.ticket_of_round(round - 1).mask


def test_the_same_settings_give_the_same_bits_in_another_directory(
    finished, tmp_path
):
    folder, _ = finished
    search(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(folder)


def test_a_finished_search_is_not_trained_again(finished, monkeypatch):
    folder, result = finished
    before = contents(folder)

    def refuse(*unused, **also_unused):
        raise AssertionError("a finished search must not build a network")

    monkeypatch.setattr(network, "prepare", refuse)
    again = search(folder)
    assert again.rows == result.rows and contents(folder) == before


def test_the_ticket_trains_to_the_recorded_result(finished):
    """A round can be repeated from its ticket with plain Keras."""
    _, result = finished
    ticket = result.ticket_of_round(2)
    data = tflottery.data.load(
        "digits", seed=journal_seed("split"), validation=None
    )
    model = ticket.apply(
        tflottery.models.build(
            "mlp",
            keras,
            input_shape=data.input_shape,
            num_classes=10,
            hidden=(12, 8),
            seed=99,
        )
    )
    model.compile(
        keras.optimizers.Adam(1.2e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    batches = data.train_batches(50, seed=journal_seed("replicate", 0, "order"))
    model.fit(batches, steps_per_epoch=60, shuffle=False, verbose=0)
    found = model.evaluate(data.test_batches(1000), verbose=0)
    row = result.rows[2]
    assert found[1] == pytest.approx(row["test_accuracy_final"], abs=0.01)
    assert tflottery.sparsity(model) == row["sparsity"]


def journal_seed(*names):
    from tflottery.core.seeds import child_seed

    return child_seed(0, *names)


@pytest.mark.parametrize(
    "rewind_to",
    [
        *(pytest.param(r, marks=pytest.mark.slow) for r in ("20it", "1ep")),
        "30it",
        "10%",
    ],
)
def test_rewinding_to_any_step_is_the_state_of_that_step(tmp_path, rewind_to):
    config = CONFIG.replace(rewind_to=rewind_to, rewind_optimizer="restore")
    result = search(tmp_path, config)
    k = {"20it": 20, "30it": 30, "1ep": 22, "10%": 6}[rewind_to]
    assert [row["steps"] for row in result.rows] == [60, 60 - k, 60 - k]
    ticket = result.ticket_of_round(1)
    assert ticket.snapshot.step == k
    # The same k steps made by hand, in one piece.
    data = tflottery.data.load("digits", seed=journal_seed("split"))
    model = network.prepare(
        network.builder(config, data),
        journal_seed("replicate", 0, "model"),
        config.replace(validate_every=60),
    )
    batches = data.train_batches(
        50, seed=journal_seed("replicate", 0, "order")
    ).take(k)
    model.fit(batches, shuffle=False, verbose=0)
    ours = tflottery.Snapshot.take(model)
    for name, value in ticket.snapshot.values.items():
        np.testing.assert_array_equal(ours.values[name], value, err_msg=name)


def test_replicates_differ_and_do_not_depend_on_each_other(tmp_path):
    config = CONFIG.replace(replicates=2, rounds=1)
    both = search(tmp_path / "both", config)
    losses = [row["validation_loss"] for row in both.rows]
    assert len(set(losses)) == 4
    assert [row["replicate"] for row in both.rows] == [0, 0, 1, 1]
    one = search(tmp_path / "one", config.replace(replicates=1))
    for ours, theirs in zip(both.rows[:2], one.rows, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_the_train_function_is_traced_once_per_search(tmp_path, monkeypatch):
    traces = []
    prepare = network.prepare

    def counting(*arguments):
        model = prepare(*arguments)
        train_step = model.train_step
        model.train_step = lambda data: traces.append(1) or train_step(data)
        return model

    monkeypatch.setattr(network, "prepare", counting)
    search(tmp_path, CONFIG.replace(replicates=2, rewind_to="30it"))
    assert len(traces) == 1


@pytest.mark.parametrize(
    "policy",
    [
        "learning_rate_rewinding",
        pytest.param("fine_tuning", marks=pytest.mark.slow),
        pytest.param("continued_training", marks=pytest.mark.slow),
    ],
)
def test_other_policies_run_and_resume(tmp_path, policy):
    config = CONFIG.replace(policy=policy, rewind_to="20it")
    result = search(tmp_path / "a", config)
    length = 60 if policy == "continued_training" else 40
    assert [row["steps"] for row in result.rows] == [60, length, length]
    search(tmp_path / "b", config.replace(rounds=2))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_model_and_data_of_the_user_are_searched(tmp_path):
    def build():
        return keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(10),
            ]
        )

    data = tflottery.data.load("digits")
    result = tflottery.find_ticket(
        build, data, CONFIG.replace(rounds=1), run_dir=tmp_path, summaries=False
    )
    assert [row["density"] for row in result.rows] == [1.0, 512 / 640]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"criterion": "random"}, 1),
        ({"criterion": "snip", "scope": "global"}, 1),
        ({"structure": "channel"}, 8),
        (
            {
                "structure": "block",
                "structure_options": {"height": 1, "width": 4},
            },
            4,
        ),
    ],
)
def test_other_criteria_and_structures_are_searched(tmp_path, changes, kept):
    config = CONFIG.replace(rounds=1, steps=20, jit_compile=False, **changes)
    result = search(tmp_path, config)
    mask = result.ticket_of_round(1).mask["fc2/kernel"]
    assert 0.3 < 1 - mask.mean() < 0.5
    if "structure" in changes:
        groups = mask.T if kept == 8 else mask.reshape(-1, kept)
        assert np.all(groups.all(axis=-1) | ~groups.any(axis=-1))


def test_data_of_another_kind_is_refused(tmp_path):
    with pytest.raises(TypeError, match="`data`"):
        tflottery.find_ticket(data=np.zeros(3), config=CONFIG, run_dir=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewind_to": "60it"}, "before the end of training"),
        ({"dataset": "digit"}, "digits"),
        ({"model": "mpl"}, "mlp"),
    ],
)
def test_bad_settings_are_refused_before_training(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        search(tmp_path, CONFIG.replace(**changes))
    assert not (tmp_path / "replicate_0").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "`steps`"),
        ({"steps": 50}, "multiple of `validate_every`.*steps=40"),
        ({"prune_fraction": 1.0}, "`prune_fraction`"),
        ({"scope": "local"}, "`scope`"),
        ({"no_such": 1}, "no_such"),
    ],
)
def test_a_config_checks_its_values(changes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        CONFIG.replace(**changes)


def test_a_run_directory_of_other_settings_is_refused(finished):
    folder, _ = finished
    with pytest.raises(ValueError, match=r"steps \(there 60, here 80\)"):
        search(folder, CONFIG.replace(steps=80))


def test_a_run_directory_in_use_is_refused(finished):
    folder, _ = finished
    other = run_directory.RunDirectory(
        folder, CONFIG, {"build": None, "data": None}
    )
    with contextlib.ExitStack() as stack:
        for number in range(CONFIG.replicates):
            stack.enter_context(other.claimed(number))
        with pytest.raises(ValueError, match="in use by another process"):
            search(folder)


def test_a_loss_that_is_not_a_number_stops_the_round_and_keeps_the_others(
    tmp_path,
):
    config = CONFIG.replace(
        optimizer="sgd", learning_rate=1e30, rounds=1, jit_compile=False
    )
    with pytest.raises(tflottery.TrainingDivergedError, match="loss is"):
        search(tmp_path, config)


def test_digests_are_frozen():
    """A changed digest would orphan every run made before."""
    assert SearchConfig().digest() == "44136fa355b3"
    found = recipes.get("lenet_300_100_mnist").config.digest()
    assert found == "6d847a0ea0e8"


def test_the_paper_recipe_has_the_papers_settings():
    config = recipes.get("lenet_300_100_mnist").config
    assert (config.steps, config.batch_size) == (50_000, 60)
    assert (config.optimizer, config.learning_rate) == ("adam", 1.2e-3)
    assert (config.prune_fraction, config.output_prune_fraction) == (0.2, 0.1)
    assert (config.scope, config.validation_size) == ("layerwise", 5000)
    assert (config.validate_every, config.rewind_step) == (100, 0)


def rows(*rounds):
    return [
        {
            "branch": "ticket",
            "replicate": 0,
            "round": number,
            "density": 0.8**number,
            "best_step": best,
            "test_accuracy_best": accuracy,
        }
        for number, (best, accuracy) in enumerate(rounds)
    ]


def test_the_verdict_takes_the_sparsest_winner():
    found = rows((900, 0.9), (700, 0.92), (800, 0.9), (1000, 0.95))
    assert verdict.winning_round(found) == 2
    text = verdict.verdict(found)
    assert "Winning ticket: round 2 keeps 64.0%" in text
    assert "step 800 (dense: 900, 11% earlier)" in text


def test_the_verdict_says_when_there_is_no_winner():
    slow = rows((900, 0.9), (950, 0.92))
    assert "No winning ticket in the strict sense" in verdict.verdict(slow)
    worse = rows((900, 0.9), (700, 0.8))
    assert "no pruned network reached" in verdict.verdict(worse)
    assert verdict.ticket_round(worse) == 0
