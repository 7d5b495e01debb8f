import keras
import numpy as np
import pytest

from tflottery.models import convolution


def test_sgd_with_weight_decay_takes_the_steps_of_torch(family):
    torch = pytest.importorskip("torch")
    layers = convolution.Layers(family, weight_decay=0.1)
    model = family.Sequential(
        [family.layers.InputLayer((3,)), layers.dense(2, "output")]
    )
    generator = np.random.default_rng(0)
    kernel = generator.standard_normal((3, 2)).astype(np.float32)
    bias = np.array([0.5, -1.0], np.float32)
    model.set_weights([kernel, bias])
    x = generator.standard_normal((4, 3)).astype(np.float32)
    y = generator.standard_normal((4, 2)).astype(np.float32)
    model.compile(family.optimizers.SGD(0.1, momentum=0.9), "mse")
    w = torch.tensor(kernel, requires_grad=True)
    b = torch.tensor(bias, requires_grad=True)
    groups = [{"params": [w], "weight_decay": 0.1}, {"params": [b]}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    for _ in range(4):
        model.train_on_batch(x, y)
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(
            torch.tensor(x) @ w + b, torch.tensor(y)
        )
        loss.backward()
        optimizer.step()
    # Tolerance: float32 arithmetic over four steps.
    for mine, theirs in zip(model.get_weights(), (w, b), strict=True):
        np.testing.assert_allclose(
            mine, theirs.detach().numpy(), rtol=1e-5, atol=1e-6
        )
    # Weight decay made a difference that the tolerance would not hide.
    assert np.abs(model.get_weights()[0] - kernel).max() > 0.01


@pytest.mark.parametrize("value", [-1e-4, float("nan"), float("inf")])
def test_weight_decay_must_be_a_share_of_the_weight(value):
    with pytest.raises(ValueError, match="`weight_decay` must be at least 0"):
        convolution.Layers(keras, weight_decay=value)


def test_an_unknown_initializer_is_refused():
    layers = convolution.Layers(keras, "xavier")
    with pytest.raises(ValueError, match="'xavier'.*glorot_normal"):
        layers.dense(2, "output")
