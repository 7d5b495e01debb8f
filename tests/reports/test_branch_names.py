import pytest

from tflottery.reports import branch_names, drawing

MANY = [
    "ticket",
    "random_reinit",
    "random_ticket",
    "shuffled_mask",
    "signed_reinit",
    "signed_constant",
    "unsigned_constant",
    "survivor_reinit",
    "noisy_init@3",
    "noisy_init@0.5",
    "one_shot",
    "snip",
    "fine_tuning@500it",
    "one_shot_fine_tuning@500it",
    "reordered",
    "mine",
]


def test_every_branch_is_in_some_figure_and_the_ticket_in_all():
    groups = branch_names.groups(MANY)
    assert {name for group in groups for name in group.branches} == set(MANY)
    assert all(group.branches[0] == "ticket" for group in groups)
    assert groups[0].name == ""
    assert len({group.name for group in groups}) == len(groups)


def test_no_figure_has_more_lines_than_can_be_read():
    for group in branch_names.groups(MANY):
        assert len(group.branches) <= branch_names.MOST_LINES + 1
        places = branch_names.places(group.branches)
        assert len(set(places.values())) == len(group.branches)
        looks = {(drawing.color(i), drawing.marker(i)) for i in places.values()}
        assert len({color for color, _ in looks}) == len(group.branches)
        assert len({marker for _, marker in looks}) == len(group.branches)


def test_groups_are_of_one_kind():
    by_name = {g.name: g.branches for g in branch_names.groups(MANY)}
    assert by_name[""][1:] == (
        "random_reinit",
        "random_ticket",
        "shuffled_mask",
    )
    assert by_name["at_initialisation"] == ("ticket", "random_ticket", "snip")
    assert by_name["retraining"] == ("ticket", "fine_tuning@500it")
    assert by_name["one_shot"][1:] == (
        "one_shot",
        "one_shot_fine_tuning@500it",
    )
    assert by_name["others"] == ("ticket", "mine")
    # Seven controls of this kind: six and a rest, less noise first.
    assert by_name["starting_weights_2"] == ("ticket", "noisy_init@3")


def test_the_same_branch_looks_the_same_everywhere():
    for group in branch_names.groups(MANY):
        places = branch_names.places(group.branches)
        assert places["ticket"] == 0
        assert places.get("random_reinit", 1) == 1
        assert places.get("random_ticket", 2) == 2


@pytest.mark.parametrize(
    ("branch", "label"),
    [
        ("random_reinit", "random reinit"),
        ("one_shot", "one-shot"),
        ("noisy_init@3", "noise of 3σ"),
        ("weight_rewinding@2000it", "weight rewinding (2,000 steps)"),
        ("my_own", "my own"),
    ],
)
def test_branches_have_names_for_people(branch, label):
    assert branch_names.label(branch) == label


def test_every_branch_of_the_library_is_known_here():
    from tflottery.lottery.branches import registry

    groups = branch_names.groups(["ticket", *registry.names()])
    assert "others" not in {group.name for group in groups}
