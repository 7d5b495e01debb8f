"""Controls differ from the ticket of their round in what they should alone."""

import csv
import math

import numpy as np
import pytest

import tflottery
from tflottery.core.claims import Claim
from tflottery.core.mask import Mask
from tflottery.layers import evidence, state
from tflottery.lottery import shared_work
from tflottery.lottery.branch_stages import BranchStages
from tflottery.lottery.branches import data_order, other_masks, registry
from tflottery.lottery.controls import run_controls
from tflottery.lottery.journal import ReplicateJournal
from tflottery.lottery.training import RoundTrainer

CONFIG = tflottery.SearchConfig(
    dataset="digits",
    model_options={"hidden": [12, 8]},
    batch_size=50,
    steps=30,
    validate_every=10,
    rounds=2,
    prune_fraction=0.5,
    rewind_to="10it",
    seed=3,
)
LABELS = (*registry.names(), "fine_tuning@20it", "noisy_init@0.5")
# What a control keeps of the ticket of its round.
SAME_MASK = (
    "random_reinit",
    "signed_reinit",
    "signed_constant",
    "unsigned_constant",
    "survivor_reinit",
    "noisy_init",
    "noisy_init@0.5",
    "reordered",
)
SAME_WEIGHTS = (
    "random_ticket",
    "shuffled_mask",
    "one_shot",
    "continued_training",
    "reordered",
    "reordered_random_ticket",
)
FROM_THE_FIRST_STEP = ("magnitude_at_init", "snip", "grasp", "synflow")


class Run:
    """A finished run with every control, and how each was trained."""

    def __init__(self, folder):
        self.folder = folder
        self.trained = {}  # (branch, draw, round) -> where it was trained
        self._calls = []

    def note(self, call):
        self._calls.append(call)

    def journal(self, branch="ticket", draw=0):
        ticket = ReplicateJournal(self.folder, 0, self.identity)
        return ticket if branch == "ticket" else ticket.of_branch(branch, draw)

    def start(self, branch="ticket", draw=0, round=2):
        place = self.journal(branch, draw).round_path(round)
        return tflottery.Ticket.load(place / "ticket").snapshot.weights()

    def mask(self, branch="ticket", draw=0, round=2):
        return self.journal(branch, draw).mask(round)

    def end(self, branch="ticket", draw=0, round=2):
        return self.journal(branch, draw).snapshot(f"round_{round:02d}/trained")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run = Run(folder)
    watched = pytest.MonkeyPatch()
    train, place = RoundTrainer.train, BranchStages.run
    now = []

    def watched_run(self, round):
        now.append((self.branch.label, self.draw, round))
        place(self, round)
        now.pop()

    def watched_train(self, **arguments):
        name = now[-1] if now else ("ticket", 0, len(run.trained))
        if arguments.get("validate", True):
            steps = (arguments["first_step"], arguments["last_step"])
            run.trained[name] = (*steps, arguments["order_seed"])
        return train(self, **arguments)

    with watched.context() as patch:
        patch.setattr(BranchStages, "run", watched_run)
        patch.setattr(RoundTrainer, "train", watched_train)
        run.result = tflottery.find_ticket(
            config=CONFIG,
            run_dir=folder,
            branches=["ticket", *LABELS],
            draws=2,
            control_rounds=[2],
            summaries=False,
        )
    identity = {"digest": CONFIG.digest(), "build": None, "data": None}
    run.identity = identity
    return run


@pytest.mark.parametrize("label", LABELS)
def test_every_control_has_rows_and_files_of_its_own(run, label):
    random = registry.get(label).is_random
    chain = registry.get(label).is_chain
    rows = [row for row in run.result.rows if row["branch"] == label]
    assert [(row["draw"], row["round"]) for row in rows] == (
        [(0, 2), (1, 2)] if random else [(0, 1), (0, 2)] if chain else [(0, 2)]
    )
    for row in rows:
        journal = run.journal(label, row["draw"])
        assert journal.is_finished(row["round"])
        kept = Mask.ones_like(run.mask()).size * row["density"]
        assert kept == run.mask(label, row["draw"], row["round"]).kept
        assert math.isfinite(row["test_accuracy_final"])
        curve = journal.result(row["round"])["curve"]
        assert row["best_step"] in [point["step"] for point in curve]


def test_results_csv_has_a_row_for_each_of_them(run):
    with open(run.folder / "results.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(run.result.rows)
    assert {row["branch"] for row in rows} == {"ticket", *LABELS}


@pytest.mark.parametrize("label", SAME_MASK)
def test_these_keep_the_mask_of_the_ticket(run, label):
    assert run.mask(label) == run.mask()


@pytest.mark.parametrize("label", SAME_WEIGHTS)
def test_these_start_from_the_weights_of_the_ticket(run, label):
    ours, theirs = run.start(label), run.start()
    assert ours.keys() == theirs.keys()
    for path in ours:
        np.testing.assert_array_equal(ours[path], theirs[path])


@pytest.mark.parametrize("label", [*SAME_MASK[:-1], *SAME_WEIGHTS[:4]])
def test_these_see_the_batches_of_the_ticket(run, label):
    assert run.trained[label, 0, 2] == run.trained["ticket", 0, 2]
    assert run.trained["ticket", 0, 2][:2] == (10, 30)


@pytest.mark.parametrize("label", FROM_THE_FIRST_STEP)
def test_masks_of_the_untrained_network_start_at_its_first_step(run, label):
    first, last, order = run.trained[label, 0, 2]
    assert (first, last) == (0, 30)
    assert order == run.trained["ticket", 0, 2][2]
    initial = run.journal().snapshot("initial").weights()
    for path, value in run.start(label).items():
        np.testing.assert_array_equal(value, initial[path])
    assert run.mask(label) != run.mask()


@pytest.mark.parametrize("label", LABELS)
def test_every_control_keeps_as_many_weights_as_the_ticket(run, label):
    dense = label == "dense_longer"
    assert run.mask(label).kept == (
        run.mask().size if dense else run.mask().kept
    )


@pytest.mark.parametrize(
    "label", ["random_ticket", "shuffled_mask", "magnitude_at_init", "one_shot"]
)
def test_these_keep_as_many_in_each_layer_or_all(run, label):
    def counts(mask):
        return {path: int(alive.sum()) for path, alive in mask.items()}

    if label in ("random_ticket", "shuffled_mask"):
        assert counts(run.mask(label)) == counts(run.mask())
    assert run.mask(label) != run.mask()


@pytest.mark.parametrize("label", [x for x in LABELS if "@" not in x])
def test_draws_differ_where_chance_is_in_play(run, label):
    if not registry.get(label).is_random:
        assert not run.journal(label, 1).is_finished(2)
        return
    first, second = run.end(label, 0), run.end(label, 1)
    assert first.digest() != second.digest()


def test_a_shuffled_mask_keeps_the_connections_of_units_but_not_their_places(
    run,
):
    for path, alive in run.mask("shuffled_mask").items():
        before = run.mask()[path]
        for axis in (0, 1):
            np.testing.assert_array_equal(
                np.sort(alive.sum(axis)), np.sort(before.sum(axis))
            )


def test_a_random_ticket_does_not_keep_the_connections_of_units(run):
    path = max(run.mask(), key=lambda p: run.mask()[p].size)
    ours, theirs = run.mask("random_ticket")[path], run.mask()[path]
    assert sorted(ours.sum(1)) != sorted(theirs.sum(1))


def test_signs_and_magnitudes_are_kept_where_the_name_says_so(run):
    before, initial = run.start(), run.journal().snapshot("initial").weights()
    for path in run.mask():
        scale = initial[path].std()
        signs = np.sign(before[path])
        assert (np.sign(run.start("signed_reinit")[path]) == signs).all()
        assert (np.sign(run.start("random_reinit")[path]) != signs).any()
        constant = run.start("signed_constant")[path]
        np.testing.assert_allclose(constant, signs * scale, rtol=1e-6)
        unsigned = run.start("unsigned_constant")[path]
        np.testing.assert_allclose(np.abs(unsigned), scale, rtol=1e-6)
        assert 0.2 < (np.sign(unsigned) == signs).mean() < 0.8


def test_survivors_are_drawn_from_survivors(run):
    for path, alive in run.mask().items():
        drawn = run.start("survivor_reinit")[path]
        assert set(drawn.ravel()) <= set(run.start()[path][alive])


def test_noise_is_as_strong_as_asked_for(run):
    # 0.5 and 1 share the draw, so one is exactly half of the other.
    for path in run.mask():
        half = run.start("noisy_init@0.5")[path] - run.start()[path]
        whole = run.start("noisy_init")[path] - run.start()[path]
        np.testing.assert_allclose(2 * half, whole, atol=1e-6)
    path = max(run.mask(), key=lambda p: run.mask()[p].size)
    noise = run.start("noisy_init")[path] - run.start()[path]
    scale = run.journal().snapshot("initial").weights()[path].std()
    assert noise.std() / scale == pytest.approx(1, abs=0.15)


def test_new_weights_are_those_of_a_new_network(run):
    from tflottery import data, models

    built = models.build(
        "mlp",
        __import__("keras"),
        input_shape=data.load("digits").input_shape,
        num_classes=10,
        seed=0,
        hidden=[12, 8],
    )
    for ours, other in zip(
        run.start("random_reinit").values(), built.weights, strict=True
    ):
        assert ours.shape == tuple(other.shape)
        # biases are zero; kernels have the spread of the initialiser
        assert ours.std() == pytest.approx(other.numpy().std(), rel=0.35)


def test_reordered_networks_differ_in_the_order_alone(run):
    ticket = run.trained["ticket", 0, 2]
    orders = set()
    for label in ("reordered", "reordered_random_ticket"):
        for draw in (0, 1):
            found = run.trained[label, draw, 2]
            assert found[:2] == ticket[:2]
            assert found[2] != ticket[2]
            orders.add(found[2])
    assert len(orders) == 2  # draw d is the same order in both
    assert run.mask("reordered_random_ticket") == run.mask("random_ticket")
    again = run.mask("reordered_random_ticket", draw=1)
    assert again == run.mask("random_ticket")


def test_one_shot_pruning_ranks_the_dense_network(run):
    dense = run.end(round=0).weights()
    for path, alive in run.mask("one_shot").items():
        size = np.abs(dense[path])
        assert size[alive].min() >= size[~alive].max()


def test_retraining_goes_back_in_what_its_name_says(run):
    steps = {label: run.trained[label, 0, 2][:2] for label in LABELS}
    steps_before = run.trained["fine_tuning@20it", 0, 1][:2]
    assert steps["fine_tuning"] == (60, 90)
    assert (steps_before, steps["fine_tuning@20it"]) == ((30, 50), (50, 70))
    assert steps["one_shot_fine_tuning"] == (30, 60)
    assert steps["weight_rewinding"] == (0, 30)
    assert steps["learning_rate_rewinding"] == (0, 30)
    assert steps["dense_longer"] == (10, 30)
    initial = run.journal().snapshot("initial").weights()
    start = run.start("weight_rewinding")
    assert all((start[path] == initial[path]).all() for path in initial)
    for label in ("fine_tuning", "learning_rate_rewinding", "dense_longer"):
        before, start = run.end(label, round=1).weights(), run.start(label)
        assert all((start[path] == before[path]).all() for path in before)
    for label in ("one_shot_fine_tuning", "one_shot_learning_rate_rewinding"):
        before, start = run.end(round=0).weights(), run.start(label)
        assert all((start[path] == before[path]).all() for path in before)


def test_masks_of_chains_come_from_what_the_chain_has_trained(run):
    for label in ("fine_tuning", "learning_rate_rewinding", "weight_rewinding"):
        trained = run.end(label, round=1).weights()
        before, after = run.mask(label, round=1), run.mask(label)
        assert after <= before
        _check_largest_stay(trained, before, after)
    chain = run.journal("continued_training").snapshot("round_01/trained_on")
    before = run.mask("continued_training", round=1)
    after = run.mask("continued_training")
    _check_largest_stay(chain.weights(), before, after)


def _check_largest_stay(weights, before, after):
    for path in before:
        size, gone = np.abs(weights[path]), before[path] & ~after[path]
        assert size[after[path]].min() >= size[gone].max()


@pytest.mark.parametrize("label", LABELS)
def test_pruned_weights_stay_zero_in_every_control(run, label):
    values = run.end(label).weights()
    for path, alive in run.mask(label).items():
        assert not values[path][~alive].any()
        assert values[path][alive].any()


def test_the_same_start_gives_the_bits_of_the_ticket(run, tmp_path):
    """A control that changes nothing at all ends where the ticket ends."""

    class Unchanged(other_masks.OtherMask):
        name = "unchanged"

        def mask(self, asked):
            return asked.ticket_mask()

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._BRANCHES, "unchanged", Unchanged)
        run_controls(run.folder, ["unchanged"], rounds=[2])
    ours, ticket = run.end("unchanged"), run.end()
    assert ours.digest() == ticket.digest()
    result = run.journal("unchanged").result(2)
    assert result["curve"] == run.journal().result(2)["curve"]


def test_damaged_files_of_a_chain_are_made_again_with_the_same_bits(run):
    journal = run.journal("fine_tuning@20it")
    before = journal.snapshot("round_02/trained").digest()
    for round in (1, 2):
        (journal.round_path(round) / "trained").write_bytes(b"not a record")
    run_controls(run.folder, ["fine_tuning@20it"], rounds=[2])
    assert journal.snapshot("round_02/trained").digest() == before
    assert journal.is_finished(1)


@pytest.mark.slow
def test_the_network_of_a_control_can_be_loaded(run):
    found = {
        name: tflottery.load_network(
            run.folder, branch="random_reinit", draw=1, round=2, state=name
        )
        for name in ("trained", "rewound")
    }
    ends = (
        ("trained", run.end("random_reinit", 1).weights()),
        ("rewound", run.start("random_reinit", 1)),
    )
    for name, expected in ends:
        weights = evidence.current_weights(found[name])
        for path, alive in run.mask("random_reinit", 1).items():
            np.testing.assert_array_equal(weights[path], expected[path] * alive)
    with pytest.raises(ValueError, match=r"random_reinit 0, random_reinit 1"):
        tflottery.load_network(run.folder, branch="random_reinit", draw=2)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(branches=["random_reinti"]), "random_reinit"),
        (dict(branches=["random_reinit@3"]), "takes no argument"),
        (dict(branches=["fine_tuning@5it"]), "multiple of validate_every=10"),
        (dict(branches=["fine_tuning@40it"]), "at most T=30"),
        (dict(branches=["fine_tuning@"]), "argument after @"),
        (dict(branches=["noisy_init@much"]), "noisy_init@0.5"),
        (dict(branches=["random_reinit"], rounds=[3]), "up to 2"),
        (dict(branches=["random_reinit"], rounds=[0]), "begins at round 1"),
        (dict(branches=["random_reinit"], draws=0), "draws"),
        (dict(branches=[]), "must not be empty"),
        (dict(branches="random_reinit"), "must be a list"),
    ],
)
def test_what_cannot_be_run_is_refused_before_any_training(
    run, arguments, words
):
    with pytest.raises((ValueError, TypeError)) as error:
        run_controls(run.folder, **arguments)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "optimizer", ["fresh", pytest.param("restore", marks=pytest.mark.slow)]
)
def test_the_order_of_the_data_is_all_that_reordering_changes(
    tmp_path, monkeypatch, optimizer
):
    """On the ticket's own order, copies end where the network itself ends."""
    config = CONFIG.replace(rewind_optimizer=optimizer, rounds=1)

    def own_order(asked):
        return asked.order_seed

    monkeypatch.setattr(data_order, "_other_order", own_order)
    tflottery.find_ticket(
        config=config,
        run_dir=tmp_path,
        branches=["ticket", "reordered"],
        summaries=False,
    )
    identity = {"digest": config.digest(), "build": None, "data": None}
    journal = ReplicateJournal(tmp_path, 0, identity)
    for round in (0, 1):
        name = f"round_{round:02d}/trained"
        copy = journal.of_branch("reordered", 0).snapshot(name)
        assert copy.digest() == journal.snapshot(name).digest()


@pytest.mark.parametrize(
    "label", ["random_reinit", "reordered", "noisy_init@0.5", "one_shot"]
)
def test_controls_of_rewound_tickets_refuse_a_search_that_does_not_rewind(
    label,
):
    config = CONFIG.replace(policy="learning_rate_rewinding")
    with pytest.raises(ValueError, match="whose tickets keep their weights"):
        registry.get(label).resolve(config, 10)
    for other in ("fine_tuning@20it", "snip", "dense_longer"):
        assert registry.get(other).resolve(config, 10).label == other


def test_fine_tuning_at_a_rate_of_zero_is_refused(tmp_path):
    config = CONFIG.replace(schedule="cosine")
    with pytest.raises(ValueError, match="ends at 0"):
        registry.get("fine_tuning").resolve(config, 10)
    config = config.replace(policy="fine_tuning")
    with pytest.raises(ValueError, match="policy='fine_tuning' trains on .* 0"):
        tflottery.find_ticket(config=config, run_dir=tmp_path)
    assert not list(tmp_path.iterdir())
    config = config.replace(schedule_options={"final": 1e-4})
    assert registry.get("fine_tuning").resolve(config, 10)
    tflottery.find_ticket(config=config, run_dir=tmp_path, summaries=False)


def test_the_retraining_time_that_is_proposed_can_be_had():
    for given in ("5it", "15it", "900it"):
        with pytest.raises(ValueError, match="Write fine_tuning@") as found:
            registry.get(f"fine_tuning@{given}").resolve(CONFIG, 10)
        proposed = str(found.value).split("Write ")[1].rstrip(".")
        assert registry.get(proposed).resolve(CONFIG, 10)


def test_a_control_waits_for_a_replicate_that_another_process_has(
    run, monkeypatch
):
    other = Claim(run.folder / "claims" / "replicate_0")
    other.acquire()
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        other.release()

    monkeypatch.setattr(shared_work.time, "sleep", sleep)
    run_controls(run.folder, ["random_reinit"], rounds=[1])
    assert len(waits) == 1
    assert run.journal("random_reinit").is_finished(1)


def test_blocks_cannot_be_shuffled_and_the_way_out_is_named(run):
    options = {"height": 1, "width": 4}
    config = CONFIG.replace(structure="block", structure_options=options)
    with pytest.raises(ValueError, match="Use 'random_ticket'"):
        registry.get("shuffled_mask").resolve(config, 10)


def test_a_folder_without_a_search_is_refused(tmp_path):
    with pytest.raises(ValueError, match="folder of a search"):
        run_controls(tmp_path)


@pytest.mark.slow
def test_what_starts_with_slots_restored_is_what_the_snapshot_says(tmp_path):
    config = CONFIG.replace(rewind_optimizer="restore", rounds=1)
    labels = ["learning_rate_rewinding", "reordered"]
    tflottery.find_ticket(
        config=config, run_dir=tmp_path, branches=labels, summaries=False
    )
    identity = {"digest": config.digest(), "build": None, "data": None}
    journal = ReplicateJournal(tmp_path, 0, identity)
    kept = journal.of_branch(labels[0], 0).snapshot("round_01/trained")
    assert any(name.startswith(state.OPTIMIZER) for name in kept.values)
    dense = journal.snapshot("dense_at/step_30")
    trained = journal.snapshot("round_00/trained").weights()
    for path, value in dense.weights().items():
        np.testing.assert_array_equal(value, trained[path])
