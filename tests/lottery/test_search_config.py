import pytest

from tflottery.lottery import recipes
from tflottery.lottery.config import SearchConfig


def test_names_of_runs_made_before_are_kept():
    # Settings that came later must not rename runs of earlier settings.
    assert SearchConfig().digest() == "44136fa355b3"
    assert SearchConfig(rounds=3, steps=200).digest() == "0f798c6ed657"
    for name, digest in (
        ("mnist1d_mlp", "6656f0e5c768"),
        ("lenet_300_100_mnist", "6d847a0ea0e8"),
    ):
        assert recipes.get(name).config.digest() == digest
    # The default was True; False had a name of its own and has it still.
    assert SearchConfig(jit_compile=True).digest() == SearchConfig().digest()
    assert SearchConfig(jit_compile=False).digest() == "ab3d9ccc1539"


def test_an_old_config_file_is_still_read():
    values = SearchConfig(steps=200).to_dict()
    for name in (
        "dataset_options",
        "augmentation",
        "schedule",
        "schedule_options",
        "layer_prune_fractions",
    ):
        del values[name]
    assert SearchConfig.from_dict(values) == SearchConfig(steps=200)


def test_layers_may_have_fractions_of_their_own():
    config = SearchConfig(
        prune_fraction=0.2,
        output_prune_fraction=0.1,
        layer_prune_fractions={"conv.*": 0.15, "conv1": 0.0},
    )
    settings = config.settings("output")
    found = {
        name: settings.fraction_of(f"{name}/kernel")
        for name in ("conv1", "conv2", "fc1", "output")
    }
    # A name says more than a pattern, whatever the order of the two.
    assert found == {"conv1": 0.0, "conv2": 0.15, "fc1": 0.2, "output": 0.1}


def test_the_order_of_patterns_does_not_matter():
    # A JSON file sorts its keys.
    forward = {"a.*": 0.1, ".*b": 0.3, "ab": 0.5}
    backward = dict(reversed(forward.items()))
    found = [
        SearchConfig(layer_prune_fractions=fractions).settings()
        for fractions in (forward, backward)
    ]
    for name in ("ab", "axb", "ac", "cb", "d"):
        first, second = (settings.fraction_of(name) for settings in found)
        assert first == second
    assert found[0].fraction_of("ab") == 0.5


def test_without_fractions_of_layers_all_is_as_before():
    assert SearchConfig().settings("output").prune_fraction == 0.2
    settings = SearchConfig(output_prune_fraction=0.1).settings("output")
    assert settings.prune_fraction == {"output": 0.1, "default": 0.2}


def test_the_last_layer_named_twice_has_the_fraction_of_its_name():
    config = SearchConfig(
        output_prune_fraction=0.1, layer_prune_fractions={"output": 0.0}
    )
    assert config.settings("output").fraction_of("output/kernel") == 0.0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"augmentation": "crops"}, "augmentation.*'crops'.*'crop'"),
        ({"schedule": "stairs"}, "schedule.*'stairs'"),
        ({"schedule_options": {"final": 0.1}}, "options of 'constant'"),
        ({"schedule": "step"}, "`boundaries` must be"),
        (
            {"layer_prune_fractions": {"conv.*": 1.0}},
            r"prune_fraction\['conv\.\*'\]",
        ),
        ({"layer_prune_fractions": {"conv(": 0.1}}, "regular expression"),
        (
            {"layer_prune_fractions": {"default": 0.1}},
            "`layer_prune_fractions` must name layers",
        ),
    ],
)
def test_bad_values_are_refused_before_anything_is_trained(settings, text):
    with pytest.raises(ValueError, match=text):
        SearchConfig(**settings)
