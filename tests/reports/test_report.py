import shutil

import keras
import pytest
import sample_run

import tflottery
from tflottery.core import documents
from tflottery.lottery import recipes
from tflottery.reports import report
from tflottery.reports.run import Run


@pytest.fixture
def run_dir(tmp_path):
    return sample_run.write_run(tmp_path / "run")


@pytest.fixture
def short_run(run_dir):
    """One without histories, so that there is one figure to draw."""
    for path in run_dir.glob("replicate_*/round_*/history.csv"):
        path.unlink()
    return run_dir


def test_a_run_is_drawn_whole(run_dir):
    documents.write_json(
        run_dir / "config.json",
        {"config": {"model": "mlp", "dataset": "digits", "steps": 1000}},
    )
    (run_dir / "tensorboard").mkdir()
    found = report.write_report(str(run_dir))
    assert [str(p.relative_to(run_dir)) for p in found.figures] == [
        "figures/density.png",
        "figures/density.svg",
        "figures/training_curves.png",
        "figures/training_curves.svg",
    ]
    assert all(p.stat().length > 1000 for p in found.figures)
    text = found.page.read_text()
    assert [str(p.relative_to(run_dir)) for p in found.numbers] == [
        "figures/density.csv",
        "figures/training_curves.csv",
    ]
    assert text.count("<img") == 2
    assert "Lottery tickets: mlp on digits" in text
    assert "450 (400–500)" in found.table
    # Round 1 stops earlier than round 0 and is better: the winning ticket.
    assert found.verdict.startswith("Winning ticket: round 1 keeps 50.0%")
    assert found.verdict in text
    ticket = run_dir / "replicate_0" / "round_01" / "ticket"
    assert str(found.ticket) == str(ticket)
    assert str(found.tensorboard) == str(run_dir / "tensorboard")


def test_what_is_missing_is_left_out(run_dir):
    for path in run_dir.glob("replicate_*/round_*/*"):
        path.unlink()
    found = report.write_report(run_dir)
    assert len(found.figures) == 2
    assert found.ticket is None
    assert found.tensorboard is None
    assert found.page.read_text().count("<img") == 1


def test_a_damaged_config_hinders_nothing(short_run):
    (short_run / "config.json").write_text("{torn")
    page = report.write_report(short_run).page.read_text()
    assert "Lottery tickets: run" in page
    assert "<h2>Settings" not in page


def test_a_report_replaces_the_one_before(short_run):
    first = report.write_report(short_run).page.read_text()
    assert report.write_report(short_run).page.read_text() == first
    path = short_run / "results.csv"
    path.write_text(path.read_text().replace("1000,400,", "1000,500,"))
    assert report.write_report(short_run).page.read_text() != first


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one finished round"):
        report.write_report(tmp_path)


def test_a_report_may_go_elsewhere(short_run, tmp_path):
    before = sorted(short_run.rglob("*"))
    found = report.write_report(short_run, tmp_path / "there")
    assert sorted(short_run.rglob("*")) == before
    assert str(found.page) == str(tmp_path / "there" / "report.html")
    assert found.page.exists() and found.figures[0].exists()


def test_several_runs_are_compared(short_run, tmp_path):
    (tmp_path / "more").mkdir()
    other = shutil.copytree(short_run, tmp_path / "more" / "run")
    found = report.write_report([short_run, other], tmp_path / "out")
    # Two runs of one name do not write over one another.
    assert [
        str(r.page.relative_to(tmp_path / "out")) for r in found.reports
    ] == [
        "run/report.html",
        "run_2/report.html",
    ]
    assert str(found.page) == str(tmp_path / "out" / "report.html")
    text = found.page.read_text()
    assert "2 searches compared" in text
    assert str(other) in text
    assert [p.name for p in found.figures][0] == "density_by_run.png"
    assert all(p.exists() for p in (*found.figures, *found.numbers))


def test_a_list_of_one_is_one_run(short_run):
    assert isinstance(report.write_report([short_run]), report.Report)
    with pytest.raises(ValueError, match="at least one run directory"):
        report.write_report([])


def test_a_paper_s_network_has_the_papers_numbers_beside_it(short_run):
    config = recipes.get("lenet_300_100_mnist").config.replace(steps=20_000)
    documents.write_json(
        short_run / "config.json", {"config": config.to_dict()}
    )
    found = report.write_report(short_run)
    text = found.page.read_text()
    assert "98.0 ± 0.2 %" in text
    assert "steps: 20,000 instead of 50,000" in text
    assert "2 replicates here" in text
    # The sample's dense networks end at 89 % and 87 %.
    assert "88.00 % (87.00 to 89.00)" in text
    assert found.claims[0].verdict == "does not hold"
    assert "are left out" not in text
    table = (short_run / "figures" / "claims.csv").read_text()
    assert table.count("\n") == len(found.claims) + 1


def test_a_page_says_why_the_papers_claims_are_left_out(short_run):
    config = recipes.get("lenet_300_100_mnist").config.replace(
        criterion="random"
    )
    documents.write_json(
        short_run / "config.json", {"config": config.to_dict()}
    )
    found = report.write_report(short_run)
    assert found.claims == ()
    assert "criterion magnitude, not random." in found.page.read_text()


def test_calls_stand_for_a_search_of_ones_own_model(short_run):
    documents.write_json(
        short_run / "config.json",
        {
            "config": {"model": "mlp", "dataset": "mnist1d"},
            "identity": {"build": "my_net", "data": None},
        },
    )
    text = report.write_report(short_run).page.read_text()
    assert "Lottery tickets: own model my_net on mnist1d" in text
    assert "tflottery.run_controls(" in text and "build=...)" in text
    assert "--run_dir" not in text


@pytest.mark.parametrize("scheduled", [False, True])
def test_the_optimizer_is_the_one_that_build_has_compiled(tmp_path, scheduled):
    def build():
        layers = [keras.layers.Flatten(), keras.layers.Dense(10)]
        model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
        rate = 0.25
        if scheduled:
            rate = keras.optimizers.schedules.CosineDecay(rate, 10)
        optimizer = keras.optimizers.SGD(rate, momentum=0.75)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss)
        return model

    config = tflottery.SearchConfig(
        dataset="digits",
        steps=10,
        validate_every=10,
        rounds=1,
        optimizer="adam",
    )
    tflottery.find_ticket(
        build, config=config, run_dir=tmp_path, summaries=False
    )
    facts = Run(tmp_path).facts
    assert facts["optimizer"] == "SGD"
    assert facts["optimizer_options"]["momentum"] == 0.75
    if scheduled:
        assert facts["schedule"] == "CosineDecay"
        assert facts["schedule_options"]["initial_learning_rate"] == 0.25
    else:
        assert (
            facts["learning_rate"] == 0.25 and facts["schedule"] == "constant"
        )


def test_a_comparison_says_why_nothing_was_drawn_over_k(short_run, tmp_path):
    other = shutil.copytree(short_run, tmp_path / "other")
    for place, k, rate in ((short_run, "0it", 0.1), (other, "5it", 0.2)):
        settings = {"rewind_to": k, "learning_rate": rate, "steps": 9}
        documents.write_json(place / "config.json", {"config": settings})
    found = report.write_report([short_run, other], tmp_path / "out")
    assert "also differ in learning_rate." in found.page.read_text()
    assert [p.name for p in found.numbers] == ["density_by_run.csv"]
