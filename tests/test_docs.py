"""Documentation is code: its snippets run, and its links lead somewhere.

The Python blocks of a page run one after the other in one namespace, in a
folder of their own. A block after the comment `<!-- no-run: reason -->` is
shown as skipped, with the reason.
"""

import dataclasses
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    + [*ROOT.glob("examples/*.md"), *ROOT.glob("benchmarks/*.md")]
)
# A comment directly above a fence, if any; the language; the text.
_FENCE = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*?) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)")


@dataclasses.dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    mark: str
    text: str

    @property
    def why_not(self):
        found = re.match(r"no-run: (.+)", self.mark)
        return found.group(1) if found else None


def blocks_of(page, text):
    found = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        found.append(
            Block(
                page,
                line,
                match["language"],
                match["mark"] or "",
                match["text"],
            )
        )
    return found


def _read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def _python(page):
    blocks = blocks_of(page, _read(page))
    return [block for block in blocks if block.language == "python"]


def run_page(blocks):
    """Runs blocks in one namespace; tracebacks give the page's true lines."""
    namespace = {"__name__": "__main__"}
    for block in blocks:
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, block.page, "exec"), namespace)
    return namespace


_RUN = [page for page in PAGES if any(not b.why_not for b in _python(page))]
_SKIPPED = [block for page in PAGES for block in _python(page) if block.why_not]


@pytest.mark.parametrize("page", _RUN)
@pytest.mark.usefixtures("two_cpus")  # made before any page runs TensorFlow
def test_the_snippets_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # A page may import TF-MOT, which sets it; this has it taken back after.
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    run_page([block for block in _python(page) if not block.why_not])


if _SKIPPED:  # an empty table would be listed as a skipped test

    @pytest.mark.parametrize(
        "block", _SKIPPED, ids=lambda block: f"{block.page}:{block.line}"
    )
    def test_a_snippet_that_is_not_run_is_at_least_python(block):
        compile(block.text, block.page, "exec")
        pytest.skip(block.why_not)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```$", "", _read(page), flags=re.DOTALL | re.M)
    for link in _LINK.findall(prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page} links to {link}"
        assert ROOT in target.resolve().parents, f"{link} leaves the repository"
        if anchor:
            assert anchor in _anchors(target.read_text("utf-8")), link


def _anchors(text):
    """The anchors of headings, made as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in titles
    }


def test_the_index_leads_to_every_page():
    linked = set(_LINK.findall(_read("docs/index.md")))
    pages = {page for page in PAGES if page.startswith("docs/")}
    missing = {
        page
        for page in pages - {"docs/index.md"}
        if page.removeprefix("docs/") not in linked
    }
    assert not missing


def test_readme_gives_two_commands_of_one_line_each():
    blocks = blocks_of("README.md", _read("README.md"))
    commands = {
        block.mark.removeprefix("command: "): block.text.strip().split("\n")
        for block in blocks
        if block.mark.startswith("command: ")
    }
    assert list(commands) == ["find", "test"]
    assert [len(lines) for lines in commands.values()] == [1, 1]
    assert "tflottery find" in commands["find"][0]
    assert commands["test"][0].endswith("-m pytest")


def test_the_ci_runs_the_command_of_the_readme(tmp_path):
    # A copy of the script beside a README whose command tells on itself.
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci" / "run"
    script.write_bytes((ROOT / ".ci" / "run").read_bytes())
    script.chmod(0o755)
    readme = tmp_path / "README.md"
    readme.write_text(
        "<!-- command: find -->\n```bash\necho wrong\n```\n\n"
        "<!-- command: test -->\n```bash\necho ran && exit 3\n```\n"
    )
    result = subprocess.run([script], capture_output=True, text=True)
    assert result.stdout.splitlines() == ["+ echo ran && exit 3", "ran"]
    assert result.returncode == 3
    readme.write_text("no command\n")
    result = subprocess.run([script], capture_output=True, text=True)
    assert result.returncode == 2
    assert "no block marked" in result.stderr


def test_failing_snippets_fail_with_the_line_of_the_page():
    text = "# Page\n\n```python\na = 1\n```\n\n```python\nb = a / 0\n```\n"
    with pytest.raises(ZeroDivisionError) as info:
        run_page(blocks_of("page.md", text))
    assert info.traceback[-1].lineno + 1 == 8


def test_a_block_says_on_the_line_above_why_it_is_not_run():
    text = (
        "<!-- no-run: needs a GPU -->\n```python\nf()\n```\n"
        "<!-- no-run: too far away -->\n\n```python\ng()\n```\n"
    )
    reasons = [block.why_not for block in blocks_of("page.md", text)]
    assert reasons == ["needs a GPU", None]
