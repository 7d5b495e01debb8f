import base64
import html
import html.parser
import re

import pytest
import sample_run

from tflottery.reports import page, results
from tflottery.reports.claims.claim import (
    FAILS,
    HOLDS,
    NOT_RUN,
    Claim,
    Judged,
    Measure,
)
from tflottery.reports.lacks import Lack


@pytest.fixture
def run_dir(tmp_path):
    return sample_run.write_run(tmp_path / "run")


class _Reader(html.parser.HTMLParser):
    """Collects cells and sources, and checks that tags are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.sources = [], [], []

    def handle_starttag(self, tag, attrs):
        sources = [v for k, v in attrs if k in ("src", "href")]
        self.sources += sources
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


def _read(text):
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_holds_the_numbers_of_every_branch(run_dir):
    text = page.html_page(results.read_results(run_dir), title="run")
    cells = _read(text).cells
    assert "91.00 (90.00–92.00)" in cells
    assert "800 (700–900)" in cells  # The control's early-stopping step.
    assert len(cells) == 3 * 8


def test_figures_are_inside_the_page(run_dir):
    svg = b"<svg>a figure</svg>"
    text = page.html_page(
        results.read_results(run_dir),
        title="run",
        figures=[page.Picture("What it is", svg, "A section")],
    )
    (source,) = _read(text).sources
    kind, data = source.split(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(data) == svg
    assert "<h3>A section</h3>" in text
    assert text.count("What it is") == 2  # For readers who see it and do not.


def test_the_page_fetches_nothing(run_dir):
    text = page.html_page(results.read_results(run_dir), title="run")
    assert not re.search(r"https?://|<script|<link|@import|url\(", text)


def test_texts_are_escaped(run_dir):
    rows = results.read_results(run_dir)
    rows[0]["branch"] = "<b>"
    text = page.html_page(
        rows,
        title="<i>title",
        verdict="a < b & c",
        settings={"model_options": '{"x": "<u>"}'},
    )
    for wild in ("<b>", "<i>", "a < b", "<u>"):
        assert wild not in text
    assert "a &lt; b &amp; c" in text


def test_settings_are_listed(run_dir):
    text = page.html_page(
        results.read_results(run_dir), title="run", settings={"steps": 1000}
    )
    assert '<th scope="row">steps</th><td>1000</td>' in text


def test_what_is_missing_stands_with_the_commands_that_supply_it(run_dir):
    text = page.html_page(
        results.read_results(run_dir),
        title="run",
        lacks=[
            Lack("One-shot is not run.", ("one_shot",)),
            Lack("signs.csv has no rows.", (), True),
            Lack("SNIP & others.", ("snip", "one_shot")),
        ],
        run_dir="runs/a<b",
    )
    _read(text)
    place = "--run_dir=&#x27;runs/a&lt;b&#x27;"  # In the shell's quotes.
    assert f"{place} --branch=snip,one_shot\n" in text
    assert text.count(f"tflottery analyse {place}") == 1
    assert "<li>SNIP &amp; others.</li>" in text


def test_claims_stand_with_the_papers_number_and_ours(run_dir):
    measure = Measure("a < b", lambda evidence: None)
    claim = Claim("It <holds>.", "Paper, fig. 1", "2.5 %", measure)
    text = page.html_page(
        results.read_results(run_dir),
        title="run",
        claims=[
            Judged(claim, "", NOT_RUN, Lack("SNIP is not run.", ("snip",))),
            Judged(claim, "2.4 %", HOLDS),
            Judged(claim, "9 %", FAILS),
        ],
        note="20,000 instead of 50,000",
    )
    _read(text)
    assert "Of 3 claims, 1 hold, 1 do not, and 1 were not run." in text
    assert text.index("2.4 %") < text.index("9 %") < text.index("SNIP is not")
    assert "It &lt;holds&gt;." in text and "a &lt; b" in text
    assert "20,000 instead of 50,000" in text


def test_why_claims_are_left_out_is_said_without_claims(run_dir):
    rows = results.read_results(run_dir)
    text = page.html_page(rows, title="run", note="Policy < fine_tuning.")
    assert "No claim of a paper speaks of this search." in text
    assert "<p>Policy &lt; fine_tuning.</p>" in text
    assert "beside ours" not in page.html_page(rows, title="run")


def test_a_model_of_ones_own_has_calls_instead_of_commands(run_dir):
    text = page.html_page(
        results.read_results(run_dir),
        title="run",
        lacks=[Lack("SNIP.", ("snip",), True)],
        run_dir="it's",
        own=["build", "data"],
    )
    found = html.unescape(text)
    assert (
        """tflottery.run_controls("it's", ['snip'], build=..., data=...)\n"""
        """tflottery.analysis.analyse("it's", build=..., data=...)"""
    ) in found
    assert "<code>build</code> and <code>data</code> of the search" in text
    assert "--run_dir" not in text


def test_a_comparison_lists_its_searches():
    text = page.comparison_page(
        "2 searches", [{"search": "k = 0"}, {"search": "<k>"}], []
    )
    assert _read(text).cells == ["k = 0", "<k>"]
    said = page.comparison_page("2", [{"search": "a"}], [], "No <figure>.")
    assert "<p>No &lt;figure&gt;.</p>" in said
