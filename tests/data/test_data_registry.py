import pytest

from tflottery import data

pytest.importorskip("mnist1d")
pytest.importorskip("sklearn")


@pytest.mark.parametrize("name", data.names())
def test_every_name_loads_a_dataset_of_that_name(name):
    dataset = data.load(name)
    assert isinstance(dataset, data.Dataset)
    assert dataset.name == name
    x, y = next(iter(dataset.train_batches(8, seed=0)))
    assert x.shape == (8, *dataset.input_shape)
    assert 0 <= int(min(y)) <= int(max(y)) < dataset.num_classes


def test_validation_and_seed_reach_the_dataset():
    def first_label_rows(seed):
        dataset = data.load("digits", validation=50, seed=seed)
        assert dataset.validation_size == 50
        return next(iter(dataset.validation_batches(50)))[0].numpy().tolist()

    assert first_label_rows(0) == first_label_rows(0)
    assert first_label_rows(0) != first_label_rows(1)


def test_no_validation_can_be_asked_for():
    assert data.load("digits", validation=0).validation_size == 0


@pytest.mark.parametrize("name", ["mnist", "mnist1D"])
def test_unknown_names_are_guessed_and_tfds_is_hinted(name):
    with pytest.raises(
        ValueError, match=f"mean 'mnist1d'.*'digits'.*write 'tfds:{name}'"
    ):
        data.load(name)


@pytest.mark.parametrize(
    "option", [{"data_dir": "somewhere"}, {"image_size": (8, 8)}]
)
def test_options_of_tfds_are_refused_elsewhere(option):
    (name,) = option
    with pytest.raises(TypeError, match=f"`{name}` is for sets of TensorFlow"):
        data.load("digits", **option)
