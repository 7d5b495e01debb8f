"""SNIP, GraSP and SynFlow tickets against their definitions, weight by weight.

The network is 64-4-10 with ReLU, small enough to differentiate by hand in
float64 (SNIP), to have its whole Hessian (GraSP, by torch), and to write its
flow down as a product of two matrices (SynFlow).
"""

import numpy as np
import pytest

import tflottery
from tflottery.core.seeds import child_seed
from tflottery.lottery.branches import examples
from tflottery.lottery.journal import ReplicateJournal

CONFIG = tflottery.SearchConfig(
    dataset="digits",
    model_options={"hidden": [4]},
    steps=10,
    validate_every=10,
    rounds=2,
    prune_fraction=0.5,
)
PATHS = ("fc1/kernel", "output/kernel")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    tflottery.find_ticket(
        config=CONFIG,
        run_dir=folder,
        branches=["snip", "grasp", "synflow"],
        control_rounds=[2],
        summaries=False,
    )
    identity = {"digest": CONFIG.digest(), "build": None, "data": None}
    return ReplicateJournal(folder, 0, identity)


@pytest.fixture(scope="module")
def weights(run):
    values = run.snapshot("initial").weights()
    assert not any(values[p.replace("kernel", "bias")].any() for p in PATHS)
    return [values[path].astype(np.float64) for path in PATHS]


def _kept(run, branch):
    mask = run.of_branch(branch, 0).mask(2)
    assert mask.kept == run.mask(2).kept  # as many in all as the ticket
    return np.concatenate([mask[path].ravel() for path in PATHS])


def _batch(branch, choose, count):
    names = ("branch", branch, "draw", 0, "round", 2, "examples")
    seed = child_seed(CONFIG.seed, "replicate", 0, *names)
    data = tflottery.data.load("digits", seed=child_seed(CONFIG.seed, "split"))
    x, y = choose(data, count, seed)
    return x.reshape(len(x), -1).astype(np.float64), y


def _check_largest(kept, scores):
    """Asserts that the kept have the largest scores, but for rounding."""
    assert 0 < kept.sum() < kept.size
    border = np.sort(scores)[-kept.sum()]
    slack = 1e-5 * np.abs(scores).max()
    assert (scores[kept] >= border - slack).all()
    assert (scores[~kept] <= border + slack).all()


def test_snip_keeps_what_the_loss_is_most_sensitive_to(run, weights):
    x, y = _batch("snip", examples.some, 100)

    def loss(flat):
        first, last = flat[:256].reshape(64, 4), flat[256:].reshape(4, 10)
        logits = np.maximum(x @ first, 0) @ last
        logits -= logits.max(axis=1, keepdims=True)
        return np.mean(
            np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]
        )

    flat = np.concatenate([w.ravel() for w in weights])
    scores = np.empty_like(flat)
    for index, value in enumerate(flat):
        # d loss / d c at c = 1, where the weight is c w
        ends = []
        for c in (1 + 1e-5, 1 - 1e-5):
            moved = flat.copy()
            moved[index] = c * value
            ends.append(loss(moved))
        scores[index] = abs(ends[0] - ends[1]) / 2e-5
    _check_largest(_kept(run, "snip"), scores)


def test_grasp_removes_what_lowers_the_norm_of_the_gradient_least(run, weights):
    torch = pytest.importorskip("torch")
    x, y = _batch("grasp", examples.balanced, 25)
    assert np.bincount(y).tolist() == [25] * 10
    x, y = torch.tensor(x), torch.tensor(y.astype(np.int64))

    def loss(flat):
        first, last = flat[:256].reshape(64, 4), flat[256:].reshape(4, 10)
        logits = torch.relu(x @ first) @ last / 200
        return torch.nn.functional.cross_entropy(logits, y)

    flat = torch.tensor(np.concatenate([w.ravel() for w in weights]))
    hessian = torch.autograd.functional.hessian(loss, flat)
    gradient = torch.autograd.functional.jacobian(loss, flat)
    # The authors remove the largest -w Hg, so the largest w Hg stay.
    _check_largest(_kept(run, "grasp"), (flat * (hessian @ gradient)).numpy())


def test_synflow_keeps_what_carries_the_flow_in_a_hundred_steps(run, weights):
    first, last = (np.abs(w) for w in weights)
    kept = np.ones(296, bool)
    density = run.mask(2).density
    for step in range(1, 101):
        one = first * kept[:256].reshape(64, 4)
        two = last * kept[256:].reshape(4, 10)
        # R = sum of outputs for an input of ones: 1' |W1| |W2| 1
        flow_in, flow_out = one.sum(axis=0), two.sum(axis=1)
        scores = np.concatenate(
            [
                (one * flow_out).ravel(),
                (two * flow_in[:, None]).ravel(),
            ]
        )
        # Flow is conserved: the scores of both layers have one sum.
        assert scores[:256].sum() == pytest.approx(scores[256:].sum())
        count = round(296 * density ** (step / 100))
        scores[~kept] = -1.0
        kept = np.zeros(296, bool)
        kept[np.argsort(-scores, kind="stable")[:count]] = True
    found = _kept(run, "synflow")
    assert (found == kept).mean() > 0.98  # float32 against float64
    mask = run.of_branch("synflow", 0).mask(2)
    assert all(mask[path].any() for path in PATHS)
