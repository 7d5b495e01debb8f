import pytest
import sample_run

from tflottery.core import documents
from tflottery.reports import report


@pytest.fixture
def run_dir(tmp_path):
    return sample_run.write_run(tmp_path / "run")


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


def test_a_damaged_config_hinders_nothing(run_dir):
    (run_dir / "config.json").write_text("{torn")
    page = report.write_report(run_dir).page.read_text()
    assert "Lottery tickets: run" in page
    assert "<h2>Settings" not in page


def test_a_report_replaces_the_one_before(run_dir):
    first = report.write_report(run_dir).page.read_text()
    assert report.write_report(run_dir).page.read_text() == first
    path = run_dir / "results.csv"
    path.write_text(path.read_text().replace("1000,400,", "1000,500,"))
    assert report.write_report(run_dir).page.read_text() != first


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one finished round"):
        report.write_report(tmp_path)
