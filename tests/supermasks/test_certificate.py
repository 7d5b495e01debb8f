"""The certificate: its verdict, its text, its file."""

import dataclasses

import keras
import pytest
import strong_targets

from tflottery.core.files import DamagedFileError
from tflottery.supermasks.certificate import Certificate
from tflottery.supermasks.logarithmic import logarithmic_ticket


@pytest.fixture(scope="module")
def ticket():
    target = strong_targets.dense(keras, (4, 8, 2))
    return logarithmic_ticket(target, strong_targets.box((4,)), 0.01, seed=3)


@pytest.fixture
def sound(ticket):
    return ticket.certificate


def test_it_counts_what_was_sampled_and_what_was_kept(sound, ticket):
    first, second = sound.layers
    # 4 x 8 weights and 8 biases; five blocks of units.
    assert (first.name, first.weights) == ("fc1", 40)
    assert first.requirements == 4 * 8 * 2 + 8
    assert second.requirements == 8 * 2 + 2
    assert first.units_sampled % 5 == 0 and second.units_sampled % 9 == 0
    # From four inputs, a bias of its own, and to eight outputs each.
    assert first.edges_sampled == first.units_sampled * (4 + 1 + 8)
    assert sound.parameters == sum(x.edges_sampled for x in sound.layers)
    for layer, kept in zip(sound.layers, ticket.kept, strict=True):
        assert layer.units_kept == kept.weight_in.size
        assert layer.edges_kept == kept.weight_in.size + kept.weight_out.size
        assert layer.units_per_weight == layer.units_sampled / layer.weights
        assert layer.largest_weight_error <= layer.weight_error_bound
        assert layer.weight_error_bound <= sound.weight_error
    assert sound.target_parameters == 40 + 18
    assert first.largest_input == 1.0
    assert first.output_error_bound < second.output_error_bound
    assert second.output_error_bound == sound.error_bound <= sound.epsilon
    assert set(sound.seconds) == {
        "reading",
        "search",
        "building",
        "measuring",
        "control",
    }


def test_it_holds_unless_something_is_missing_or_out_of_bounds(sound):
    assert sound.holds and sound.bound_is_kept and sound.missing == 0
    layers = sound.layers
    lacking = dataclasses.replace(layers[0], missing=1)
    lacks = dataclasses.replace(sound, layers=(lacking, *layers[1:]))
    assert lacks.missing == 1 and lacks.bound_is_kept and not lacks.holds
    far = dataclasses.replace(layers[0], largest_weight_error=0.1)
    for broken in (
        dataclasses.replace(sound, layers=(far, *layers[1:])),
        dataclasses.replace(sound, sup_error=sound.epsilon * 1.01),
        dataclasses.replace(sound, found_error_bound=sound.error_bound * 1.01),
    ):
        assert not broken.bound_is_kept and not broken.holds
        assert "does not hold" in str(broken)


def test_a_person_can_read_it(sound):
    text = str(sound)
    assert "(logarithmic, seed 3): holds" in text
    assert "fc1" in text and "head" in text
    assert "none with probability >= 0.95" in text
    assert "uniform control" in text and "(above the bound)" in text
    assert "uniform" not in str(dataclasses.replace(sound, control=None))


def test_a_file_gives_it_back(sound, tmp_path):
    file = tmp_path / "certificate.json"
    sound.save(file)
    assert Certificate.load(file) == sound
    alone = dataclasses.replace(sound, control=None)
    assert Certificate.from_json(alone.to_json()) == alone
    file.write_text(file.read_text().replace('"seed": 3', '"seed": 4'))
    with pytest.raises(DamagedFileError):
        Certificate.load(file)
