"""Schedules over steps: TF-MOT as the oracle, and configs there and back."""

import copy
import json
import os
import sys
import types

import numpy as np
import pytest

from tflottery.pruning import gradual, gradual_names
from tflottery.pruning.gradual import ConstantSparsity, PolynomialDecay
from tflottery.pruning.gradual_names import deserialize, get, serialize
from tflottery.pruning.gradual_schedule import PruningSchedule, known_classes

CONSTANT = [
    (0.5, 0),
    (0.0, 3),
    (0.9, 7, -1, 1),
    (0.9, 7, 7, 1),
    (0.25, 0, 40, 7),
    (0.25, 5, 40, 100),
    (0.25, 5, 105),
    (0.999, 1, 2, 3),
]
POLYNOMIAL = [
    (0.0, 0.8, 0, 100),
    (0.0, 0.8, 10, 50, 3, 10),
    (0.2, 0.6, 10, 50, 1, 7),
    (0.5, 0.5, 3, 90, 3, 1),
    (0.1, 0.9, 7, 8, 3, 1),
    (0.1, 0.9, 0, 110, 0.5, 2),
    (0.1, 0.9, 0, 110, 0, 2),
    (0.8, 0.2, 5, 60, 2, 5),
    (0.0, 0.99, 100, 117, 5, 4),
]
MEMBERS = [ConstantSparsity(*arguments) for arguments in CONSTANT] + [
    PolynomialDecay(*arguments) for arguments in POLYNOMIAL
]
STEPS = range(-1, 120)  # TF-MOT counts from -1


class EveryThird(PruningSchedule):
    """A user's schedule, whose `get_config` is written as TF-MOT's are."""

    def __init__(self, sparsity):
        self._validate_sparsity(sparsity, "sparsity")
        self._validate_step(3, -1, 3, True)
        self.sparsity = sparsity

    def __call__(self, step):
        return self._should_prune_in_step(step, 3, -1, 3), self.sparsity

    def get_config(self):
        return {
            "class_name": self.__class__.__name__,
            "config": {"sparsity": self.sparsity},
        }


class Bare:
    """Nobody's subclass, and without `from_config`."""

    def __init__(self, sparsity, at=4):
        self.sparsity = sparsity
        self.at = at

    def __call__(self, step):
        return step == self.at, self.sparsity

    def get_config(self):
        return {"sparsity": self.sparsity, "at": self.at}


class Misled(Bare):
    """Comes back from its config as text, as TF-MOT's users' do."""

    @classmethod
    def from_config(cls, config):
        return "Misled"


NOT_A_CLASS = "a name in this module"


@pytest.fixture(scope="module")
def tfmot():
    """TF-MOT, imported without turning tf.keras into tf_keras."""
    name = "TF_USE_LEGACY_KERAS"
    before = os.environ.get(name)
    import tensorflow as tf

    assert tf.keras.__version__.startswith("3")  # settles what tf.keras is
    import tensorflow_model_optimization

    if before is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = before
    return tensorflow_model_optimization.sparsity.keras


@pytest.fixture
def users_tfmot_class(tfmot):
    class Even(tfmot.PruningSchedule):
        def __init__(self, sparsity):
            self.sparsity = sparsity

        def __call__(self, step):
            import tensorflow as tf

            turn = self._should_prune_in_step(step, 0, -1, 2)
            return turn, tf.constant(self.sparsity)

        def get_config(self):
            return {
                "class_name": "Even",
                "config": {"sparsity": self.sparsity},
            }

    return Even


# What the schedules say.


@pytest.mark.parametrize("schedule", MEMBERS, ids=repr)
def test_a_schedule_says_at_every_step_what_that_of_tfmot_says(tfmot, schedule):
    import tensorflow as tf

    theirs = getattr(tfmot, type(schedule).__name__)(**schedule.get_config())
    turns, sparsities = theirs(tf.constant(list(STEPS)))
    found = [schedule(step) for step in STEPS]
    assert [turn for turn, _ in found] == turns.numpy().tolist()
    expected = np.broadcast_to(sparsities.numpy(), len(STEPS))
    # TF-MOT computes in float32: some units of 6e-8.
    np.testing.assert_allclose([s for _, s in found], expected, atol=1e-6)


def test_the_comparison_with_tfmot_sees_updates_and_rests():
    turns = [schedule(step)[0] for schedule in MEMBERS for step in STEPS]
    assert turns.count(True) > 300
    assert turns.count(False) > 300


def test_the_oracle_leaves_keras_and_the_environment_alone(tfmot):
    import tensorflow as tf

    assert tf.keras.__version__.startswith("3")
    assert os.environ.get("TF_USE_LEGACY_KERAS") != "1"


def test_updates_come_at_begin_then_every_frequency_until_end():
    schedule = ConstantSparsity(0.5, 2, end_step=8, frequency=3)
    assert [step for step in STEPS if schedule(step)[0]] == [2, 5, 8]
    schedule = ConstantSparsity(0.5, 2, end_step=7, frequency=3)
    assert [step for step in STEPS if schedule(step)[0]] == [2, 5]


def test_polynomial_decay_follows_the_cubic_law():
    # 0.8 - 0.8 (1 - p)^3 with p = 0, 1/4, 1/2, 3/4, 1.
    schedule = PolynomialDecay(0.0, 0.8, 100, 500)
    found = [schedule(step)[1] for step in range(100, 501, 100)]
    assert found == pytest.approx([0, 0.4625, 0.7, 0.7875, 0.8], abs=1e-12)


def test_polynomial_decay_meets_both_ends_to_the_last_bit():
    # (0.1 - 0.9) + 0.9 is not 0.1 in floating point.
    schedule = PolynomialDecay(0.1, 0.9, 10, 50)
    assert [schedule(step)[1] for step in (0, 10, 50, 90)] == [
        0.1,
        0.1,
        0.9,
        0.9,
    ]


def test_a_decay_without_a_way_has_its_final_sparsity(tfmot):
    ours = PolynomialDecay(0.1, 0.9, 5, 5)
    theirs = tfmot.PolynomialDecay(0.1, 0.9, 5, 5)
    assert ours(5) == (True, 0.9)
    assert np.isnan(theirs(5)[1].numpy())
    for step in (4, 6):
        assert ours(step)[0] == theirs(step)[0].numpy()
        assert ours(step)[1] == pytest.approx(theirs(step)[1].numpy(), abs=1e-6)


def test_answers_are_plain_values():
    for schedule in MEMBERS:
        turn, sparsity = schedule(np.int64(40))
        assert type(turn) is bool
        assert type(sparsity) is float


def test_a_step_may_be_a_tensor_or_a_numpy_integer():
    import tensorflow as tf

    schedule = PolynomialDecay(0.0, 0.8, 0, 40, frequency=10)
    expected = schedule(20)
    for step in (
        np.int32(20),
        np.array(20),
        tf.constant(20),
        tf.constant(20, tf.int64),
        tf.Variable(20),
    ):
        assert schedule(step) == expected


def test_a_step_of_another_kind_is_refused():
    import tensorflow as tf

    for schedule in (MEMBERS[0], MEMBERS[-1]):
        for step in (1.0, "1", None, True, [1], tf.constant([1]), np.ones(2)):
            with pytest.raises(TypeError, match="`step` must be an integer. R"):
                schedule(step)

    @tf.function
    def graph(step):
        return MEMBERS[0](step)[1]

    with pytest.raises(TypeError, match="from outside of a tf.function"):
        graph(tf.constant(1))


# Wrong arguments.


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: ConstantSparsity(1.0, 0),
            ValueError,
            r"`target_sparsity` must be in \[0, 1\). Received: target_sparsity"
            "=1.0. It is the share of weights set to zero; use 0.8 for 80",
        ),
        (
            lambda: ConstantSparsity("0.5", 0),
            TypeError,
            "`target_sparsity` must be a number",
        ),
        (
            lambda: PolynomialDecay(-0.1, 0.5, 0, 9),
            ValueError,
            "`initial_sparsity` must be in .*=-0.1",
        ),
        (
            lambda: PolynomialDecay(0.1, float("nan"), 0, 9),
            ValueError,
            "`final_sparsity` must be in .*=nan",
        ),
        (
            lambda: ConstantSparsity(0.5, -1),
            ValueError,
            "`begin_step` must be a non-negative integer. Received: "
            "begin_step=-1. Steps are whole batches",
        ),
        (
            lambda: ConstantSparsity(0.5, np.ceil(2.5)),
            TypeError,
            r"`begin_step` must be a non-negative integer.*use int\(...\)",
        ),
        (
            lambda: ConstantSparsity(0.5, 0, -2),
            ValueError,
            "`end_step` must be a non-neg.*=-2. .*Use -1 for no end",
        ),
        (
            lambda: ConstantSparsity(0.5, 0, -1.0),
            TypeError,
            "`end_step` must be a non-negative integer. .*=-1.0",
        ),
        (
            lambda: ConstantSparsity(0.5, 10, 5),
            ValueError,
            "`end_step` must be at least `begin_step`. Received: begin_step=10,"
            " end_step=5. .*Use -1 for no end",
        ),
        (
            lambda: PolynomialDecay(0.1, 0.5, 10, 5),
            ValueError,
            "`end_step` must be at least `begin_step`. .*computed number.$",
        ),
        (
            lambda: PolynomialDecay(0.1, 0.5, 10, -1),
            ValueError,
            "`end_step` must not be -1 here. Received: end_step=-1. .*pass the "
            "step at which the final sparsity is reached",
        ),
        (
            lambda: ConstantSparsity(0.5, 0, frequency=0),
            ValueError,
            "`frequency` must be a positive integer. Received: frequency=0. "
            ".*use 100 to prune every hundredth step",
        ),
        (
            lambda: PolynomialDecay(0.1, 0.5, 0, 9, power=-1),
            ValueError,
            "`power` must be at least 0. Received: power=-1. Use 3 for the",
        ),
        (
            lambda: PolynomialDecay(0.1, 0.5, 0, 9, power=float("inf")),
            ValueError,
            "`power` must be finite. Received: power=inf",
        ),
        (
            lambda: ConstantSparsity.from_config({"target_sparsity": 0.5}),
            ValueError,
            "`config` does not fit ConstantSparsity. .*begin_step.*Its keys",
        ),
        (
            lambda: EveryThird.from_config({"sparsity": 0.5, "frequency": 3}),
            ValueError,
            "`config` does not fit EveryThird. .*frequency",
        ),
        (
            lambda: EveryThird(80),
            ValueError,
            r"`sparsity` must be in \[0, 1\). Received: sparsity=80",
        ),
    ],
)
def test_a_wrong_argument_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_tfmot_refuses_what_is_refused_here(tfmot):
    for name, arguments in [
        ("ConstantSparsity", (1.0, 0)),
        ("ConstantSparsity", (-0.1, 0)),
        ("ConstantSparsity", (0.5, -1)),
        ("ConstantSparsity", (0.5, 0, -2)),
        ("ConstantSparsity", (0.5, 10, 5)),
        ("ConstantSparsity", (0.5, 0, 9, 0)),
        ("PolynomialDecay", (0.1, 1.0, 0, 9)),
        ("PolynomialDecay", (0.1, 0.5, 10, 5)),
        ("PolynomialDecay", (0.1, 0.5, 0, -1)),
    ]:
        for family in (tfmot, gradual):
            with pytest.raises(ValueError):
                getattr(family, name)(*arguments)


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        PruningSchedule()


# Values.


def test_equal_arguments_make_equal_schedules():
    assert PolynomialDecay(0, 0.5, 1, 9) == PolynomialDecay(0.0, 0.5, 1, 9, 3.0)
    assert len({ConstantSparsity(0.5, 0), ConstantSparsity(0.5, 0, -1)}) == 1
    assert len(set(MEMBERS)) == len(MEMBERS)
    assert copy.deepcopy(MEMBERS[-1]) == MEMBERS[-1]


def test_a_schedule_cannot_be_changed():
    with pytest.raises(AttributeError):
        MEMBERS[0].target_sparsity = 2.0


def test_a_schedule_shows_its_arguments():
    assert repr(ConstantSparsity(0.5, 10)) == (
        "ConstantSparsity(target_sparsity=0.5, begin_step=10, end_step=-1, "
        "frequency=100)"
    )
    assert eval(repr(MEMBERS[-1])) == MEMBERS[-1]


def test_numpy_arguments_become_plain():
    schedule = PolynomialDecay(
        np.float32(0.5), 0.75, np.int64(0), np.int32(8), np.int64(3), np.int8(2)
    )
    assert schedule == PolynomialDecay(0.5, 0.75, 0, 8, 3, 2)
    kinds = {type(value) for value in schedule.get_config().values()}
    assert kinds == {int, float}


def test_configs_have_the_arguments_of_tfmot(tfmot):
    for schedule in (MEMBERS[0], MEMBERS[-1]):
        config = schedule.get_config()
        theirs = getattr(tfmot, type(schedule).__name__)(**config)
        assert theirs.get_config()["config"] == config


# The next and the last update.


@pytest.mark.parametrize("schedule", [*MEMBERS, EveryThird(0.5), Bare(0.5)])
def test_last_update_is_what_a_search_finds(schedule):
    turns = {step: bool(schedule(step)[0]) for step in range(-1, 120)}
    for after in (-1, 0, 4, 9, 39, 40, 104, 119):
        for until in (-1, 0, 3, 4, 10, 39, 40, 41, 105, 119):
            found = [t for t in range(after + 1, until + 1) if turns[t]]
            expected = max(found, default=None)
            assert gradual.last_update(schedule, after, until) == expected


@pytest.mark.parametrize("schedule", MEMBERS, ids=repr)
def test_next_update_is_what_a_search_finds(schedule):
    # A frequency of 100 at most: the next of any step before 110 is below 250.
    turns = [step for step in range(250) if schedule(step)[0]]
    for after in range(-1, 110):
        expected = next((t for t in turns if t > after), None)
        assert gradual.next_update(schedule, after) == expected


def test_the_next_update_of_a_users_schedule_is_not_known():
    assert gradual.next_update(EveryThird(0.5), 3) == 4
    assert gradual.next_update(Bare(0.5), np.int64(9)) == 10


def test_arithmetic_does_not_walk():
    # A walk over this many steps would take hours.
    schedule = ConstantSparsity(0.5, 0, frequency=10**12)
    assert gradual.last_update(schedule, 1, 10**12 - 1) is None
    assert gradual.last_update(schedule, 0, 10**13 + 5) == 10**13
    assert gradual.next_update(schedule, 1) == 10**12


def test_a_subclass_that_answers_otherwise_is_asked():
    class Stubborn(ConstantSparsity):
        def __call__(self, step):
            return step == 5, 0.5

    schedule = Stubborn(0.5, 0, frequency=1)
    assert gradual.last_update(schedule, 0, 9) == 5
    assert gradual.next_update(schedule, 5) == 6


def test_the_borders_of_a_search_must_be_integers():
    with pytest.raises(TypeError, match="`after` must be an integer.*=0.5"):
        gradual.last_update(MEMBERS[0], 0.5, 3)
    with pytest.raises(TypeError, match="`until` must be an integer.*='3'"):
        gradual.last_update(MEMBERS[0], 0, "3")
    with pytest.raises(TypeError, match="`after` must be an integer.*=None"):
        gradual.next_update(MEMBERS[0], None)


# Schedules of any origin, asked.


def test_evaluate_makes_plain_values_of_tensors(users_tfmot_class):
    import tensorflow as tf

    schedule = users_tfmot_class(0.5)
    for step in (4, np.int64(4), tf.constant(4)):
        turn, sparsity = gradual.evaluate(schedule, step)
        assert (turn, sparsity) == (True, 0.5)
        assert (type(turn), type(sparsity)) == (bool, float)
    assert gradual.evaluate(schedule, 5) == (False, 0.5)
    assert gradual.last_update(schedule, 0, 7) == 6


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            (True, 1.0),
            ValueError,
            r"`sparsity` must be in \[0, 1\). Received: ",
        ),
        ((False, -0.5), ValueError, "sparsity=-0.5. It came from Says at step"),
        ((True, np.float32("nan")), ValueError, "sparsity=nan. .*Says at step"),
        ((True, "0.5"), TypeError, "`sparsity` must be a number.*Says at step"),
        ((True, None), TypeError, "sparsity=None. .*return the share of weig"),
        ((True, True), TypeError, "`sparsity` must be a number.*=True"),
        ((True, [0.5]), TypeError, r"`sparsity` must be a number.*=\[0.5\]"),
        (("yes", 0.5), TypeError, "should_prune as a bool. .*'yes' from Says"),
        ((2, 0.5), TypeError, "should_prune as a bool. .*=2 from Says at st"),
        ((0.5, True), TypeError, "should_prune as a bool. .*=0.5 from Says"),
        (0.01, TypeError, "`schedule` must return the pair .*: 0.01 from Says"),
        (
            (True,),
            TypeError,
            "must return the pair .*from Says at step 7. A sc",
        ),
        ((True, 0.5, 1), TypeError, "must return the pair .*learning rates"),
    ],
)
def test_a_wrong_answer_names_the_class_and_the_step(answer, error, text):
    class Says(Bare):
        def __call__(self, step):
            return answer

    with pytest.raises(error, match=text) as info:
        gradual.evaluate(Says(0.5), np.int64(7))
    assert "from Says at step 7" in str(info.value)


def test_a_learning_rate_schedule_is_told_apart():
    import keras

    rates = keras.optimizers.schedules.PolynomialDecay(0.1, 100)
    with pytest.raises(
        TypeError, match="from PolynomialDecay at step 3. A sch"
    ):
        gradual.evaluate(rates, 3)


# Configs, there and back.


def _through_json(schedule):
    return deserialize(json.loads(json.dumps(serialize(schedule))))


@pytest.mark.parametrize("schedule", MEMBERS, ids=repr)
def test_a_schedule_survives_the_round_trip(schedule):
    assert _through_json(schedule) == schedule
    assert get(serialize(schedule)) == schedule
    assert type(schedule).from_config(schedule.get_config()) == schedule


def test_the_form_of_a_config_is_kept_for_ever():
    assert serialize(ConstantSparsity(0.5, 10)) == {
        "class_name": "ConstantSparsity",
        "module": "tflottery",
        "config": {
            "target_sparsity": 0.5,
            "begin_step": 10,
            "end_step": -1,
            "frequency": 100,
        },
    }


@pytest.mark.parametrize("schedule", [EveryThird(0.25), Bare(0.25, at=7)])
def test_a_users_schedule_survives_the_round_trip(schedule):
    copied = _through_json(schedule)
    assert type(copied) is type(schedule)
    assert vars(copied) == vars(schedule)
    assert serialize(schedule)["config"] == vars(schedule)
    assert get(schedule) is schedule


def test_a_users_subclass_of_tfmots_class_survives_too(users_tfmot_class):
    schedule = users_tfmot_class(0.25)
    assert get(schedule) is schedule
    copied = _through_json(schedule)
    assert type(copied) is users_tfmot_class
    assert copied.sparsity == 0.25


def test_get_alone_makes_a_foreign_class_known():
    class Local(Bare):
        pass

    key = (Local.__module__, Local.__qualname__)
    assert key not in known_classes
    get(Local(0.5))
    assert known_classes[key] is Local


def test_a_class_written_anew_replaces_the_old_one():
    def write():
        class Again(PruningSchedule):
            def __call__(self, step):
                return True, 0.5

            def get_config(self):
                return {}

        return Again

    old, new = write(), write()
    assert type(deserialize(serialize(old()))) is new


def test_a_class_is_found_in_an_imported_module(monkeypatch):
    config = serialize(Bare(0.25))
    monkeypatch.delitem(known_classes, (__name__, "Bare"))
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Bare.__module__])
    assert vars(deserialize(config)) == {"sparsity": 0.25, "at": 4}


def test_a_nested_class_is_found_by_its_qualified_name(monkeypatch):
    module = types.ModuleType("users_schedules")
    module.Outer = type("Outer", (), {"Inner": Bare})
    monkeypatch.setitem(sys.modules, "users_schedules", module)
    config = {
        "class_name": "Outer.Inner",
        "module": "users_schedules",
        "config": {"sparsity": 0.5},
    }
    assert type(deserialize(config)) is Bare


def test_no_code_is_imported_to_find_a_class(tmp_path, monkeypatch):
    (tmp_path / "never_imported.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    lazy = types.ModuleType("lazy")
    asked = []  # `inspect` asks modules too, but not for this name
    lazy.__getattr__ = asked.append
    monkeypatch.setitem(sys.modules, "lazy", lazy)
    for module in ("never_imported", "lazy"):
        config = {"class_name": "Gone", "module": module, "config": {}}
        with pytest.raises(
            ValueError,
            match="names a class of schedules that is not found. Received: "
            f"class_name='Gone', module='{module}'. Import the module that "
            "defines it before loading.",
        ):
            deserialize(config)
    assert "Gone" not in asked


@pytest.mark.parametrize(
    "class_name",
    ["NOT_A_CLASS", "test_the_base_class_is_abstract", "np", "np.ndarray"],
)
def test_what_makes_no_schedules_is_not_even_called(class_name):
    config = {"class_name": class_name, "module": __name__, "config": {}}
    with pytest.raises(
        TypeError,
        match="`config` must name a class with `__call__` and `get_config`. "
        f"Received: class_name='{class_name}', .*Was the class renamed",
    ):
        deserialize(config)


def test_a_schedule_that_comes_back_as_text_is_refused():
    with pytest.raises(
        TypeError,
        match="`from_config` of Misled must return a schedule. Received: "
        "'Misled' of type str. Return an instance",
    ):
        _through_json(Misled(0.5))


@pytest.mark.parametrize("schedule", MEMBERS, ids=repr)
def test_tfmots_schedules_become_ours(tfmot, schedule):
    theirs = getattr(tfmot, type(schedule).__name__)(**schedule.get_config())
    assert get(theirs) == schedule
    assert get(theirs.get_config()) == schedule
    assert deserialize(serialize(theirs)) == schedule
    assert serialize(theirs) == serialize(schedule)


def test_a_config_may_say_that_it_is_tfmots():
    config = serialize(MEMBERS[-1])
    module = "tensorflow_model_optimization.sparsity.keras"
    assert deserialize({**config, "module": module}) == MEMBERS[-1]
    module = PolynomialDecay.__module__
    assert deserialize({**config, "module": module}) == MEMBERS[-1]


def test_a_users_class_of_the_same_name_is_not_mistaken_for_ours():
    namesake = type("ConstantSparsity", (Bare,), {"__module__": __name__})
    schedule = namesake(0.5)
    assert get(schedule) is schedule
    assert type(_through_json(schedule)) is namesake


@pytest.mark.parametrize(
    "value",
    [
        None,
        0.5,
        "ConstantSparsity",
        ConstantSparsity,
        EveryThird,
        lambda step: (True, 0.5),
        [MEMBERS[0]],
    ],
)
def test_what_is_no_schedule_is_refused(value):
    text = (
        "`pruning_schedule` must be an object that is called with a step and "
        "has a `get_config`. Received: pruning_schedule=.* of type "
        rf"{type(value).__name__}. Pass a schedule such as ConstantSparsity\("
    )
    for function in (get, serialize):
        with pytest.raises(TypeError, match=text):
            function(value)


def test_a_config_must_be_a_mapping():
    with pytest.raises(
        TypeError, match="`config` must be a mapping. .*'geometric' of type str"
    ):
        deserialize("geometric")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"class_name": "ConstantSparsity"},
        {"class_name": "Bare", "config": [0.5]},
        {"class_name": 3, "config": {}},
        {"class_name": "Bare", "module": ["a"], "config": {}},
        {"name": "constant", "config": {}},
        {"class_name": "Bare", "config": {}, "more": 1},
    ],
    ids=repr,
)
def test_a_config_of_another_form_is_refused(config):
    with pytest.raises(
        ValueError, match="`config` must have the keys .* Received: config={"
    ):
        get(config)


def test_a_config_that_does_not_fit_says_so():
    config = serialize(MEMBERS[0])
    config["config"]["frequenzy"] = 3
    with pytest.raises(ValueError, match="does not fit Const.*frequenzy"):
        deserialize(config)


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (None, "of Odd must return .* Received: None; it is of type NoneType"),
        ({"a": {1, 2}}, "`get_config` of Odd must return .* is of type set"),
        ({"a": np.ones(2)}, "plain JSON values. .* is of type ndarray. Return"),
    ],
)
def test_a_config_must_be_plain(returned, text):
    class Odd(Bare):
        def get_config(self):
            return returned

    with pytest.raises(TypeError, match=text):
        gradual_names.serialize(Odd(0.5))


def test_numbers_of_numpy_and_tensorflow_are_made_plain():
    import tensorflow as tf

    config = serialize(Bare(np.float32(0.5), at=tf.constant(3)))["config"]
    assert config == {"sparsity": 0.5, "at": 3}
    assert (type(config["sparsity"]), type(config["at"])) == (float, int)
