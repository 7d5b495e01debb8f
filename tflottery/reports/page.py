"""One HTML page that holds a whole report and needs no other file.

A report is mailed, archived and opened years later; so tables, figures and
style are all inside, and nothing is fetched from anywhere.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tflottery.reports import claims_table, summary, tables
from tflottery.reports.claims.claim import Judged
from tflottery.reports.lacks import Lack, commands

_STYLE = """
body { color: #222; font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
       max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
figure { margin: 1rem 0; max-width: 62rem; }
img { max-width: 100%; height: auto; }
footer { margin-top: 1.5rem; } details { margin-bottom: 1rem; }
figcaption, footer, caption { color: #555; font-size: 0.9rem; }
caption { text-align: left; padding-bottom: 0.4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem;
        font-variant-numeric: tabular-nums; margin-bottom: 1.2rem; }
th { border-bottom: 2px solid #222; vertical-align: bottom; }
td { border-bottom: 1px solid #ddd; }
th, td { padding: 0.25rem 0.6rem; text-align: right; white-space: nowrap; }
.settings th, .settings td { border-bottom: 1px solid #ddd; text-align: left; }
.settings td:last-child { white-space: normal; min-width: 24rem; }
.settings th { font-weight: normal; color: #555; }
.claims { table-layout: fixed; width: 100%; min-width: 46rem; }
.claims th, .claims td { text-align: left; white-space: normal;
                         vertical-align: top; }
.claims th:nth-child(1) { width: 34%; } .claims th:nth-child(2) { width: 18%; }
.claims th:nth-child(3) { width: 24%; }
.claims small { display: block; color: #555; }
.holds { color: #00567f; } .fails { color: #a34700; font-weight: 600; }
.unrun { color: #777; } .fails small { font-weight: normal; }
pre { background: #f5f5f5; padding: 0.6rem 0.8rem; white-space: pre-wrap;
      overflow-wrap: anywhere; }
.verdict { background: #eef4f8; border-left: 4px solid #0072B2;
           padding: 0.8rem 1rem; }
"""


def _escape(value: Any) -> str:
    return html.escape(str(value))


def _tables(rows: Sequence[Mapping[str, Any]]) -> str:
    blocks = []
    for points in summary.branches(summary.summarise(rows)).values():
        first, second, *body = tables.cells(points)
        heading = "".join(
            f'<th scope="col">{_escape(a)}<br>{_escape(b)}</th>'
            for a, b in zip(first, second, strict=True)
        )
        lines = "\n".join(
            "<tr>" + "".join(f"<td>{_escape(c)}</td>" for c in line) + "</tr>"
            for line in body
        )
        blocks.append(
            f'<div class="wide"><table>\n'
            f"<caption>{_escape(tables.caption(points))}</caption>\n"
            f"<thead><tr>{heading}</tr></thead>\n"
            f"<tbody>\n{lines}\n</tbody></table></div>"
        )
    return "\n".join(blocks)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure on a page.

    Args:
        caption: What it shows.
        svg: The figure as SVG.
        section: Heading that it stands under. Defaults to none of its own.
    """

    caption: str
    svg: bytes
    section: str = ""


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.svg).decode("ascii")
    text = _escape(picture.caption)
    # All figures at one scale, so that their letters are of one size.
    width = re.search(rb'<svg[^>]*?\bwidth="([\d.]+)pt"', picture.svg)
    size = f' width="{1.2 * float(width[1]):.0f}"' if width else ""
    return (
        f'<figure><img alt="{text}"{size} '
        f'src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def figures_html(pictures: Sequence[Picture]) -> str:
    """Writes figures under their headings, in the order of the first of each.

    Args:
        pictures: The figures.

    Returns:
        HTML; nothing if there are none.
    """
    sections: dict[str, list[Picture]] = {}
    for picture in pictures:
        sections.setdefault(picture.section, []).append(picture)
    parts = ["<h2>Figures</h2>"] if pictures else []
    for section, group in sections.items():
        if section:
            parts.append(f"<h3>{_escape(section)}</h3>")
        parts.extend(_figure(picture) for picture in group)
    return "\n".join(parts)


def _lacks(lacks: Sequence[Lack], run_dir: Any, own: Sequence[str]) -> str:
    """Writes what the report lacks, and the commands that supply it."""
    texts = "".join(
        f"<li>{_escape(text)}</li>"
        for text in dict.fromkeys(lack.what for lack in lacks)
    )
    lines = "\n".join(_escape(c) for c in commands(run_dir, lacks, own))
    supply = "These commands supply it"
    if own:
        names = " and ".join(f"<code>{name}</code>" for name in own)
        supply = f"These calls, with the {names} of the search, supply it"
    return (
        "<h2>Not in this report</h2>\n<p>What was not run yet. "
        f"{supply}; then write the report again.</p>\n<pre>{lines}</pre>\n"
        f"<details><summary>What is missing</summary><ul>{texts}</ul></details>"
    )


def _settings(settings: Mapping[str, Any]) -> str:
    lines = "\n".join(
        f'<tr><th scope="row">{_escape(name)}</th>'
        f"<td>{_escape(value)}</td></tr>"
        for name, value in settings.items()
    )
    return (
        "<h2>Settings</h2>\n<details><summary>All settings of the search"
        '</summary>\n<div class="wide"><table class="settings">\n'
        f"{lines}\n</table></div></details>"
    )


def html_page(
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    verdict: str = "",
    figures: Sequence[Picture] = (),
    settings: Mapping[str, Any] | None = None,
    claims: Sequence[Judged] = (),
    note: str = "",
    lacks: Sequence[Lack] = (),
    run_dir: Any = "RUN_DIR",
    own: Sequence[str] = (),
) -> str:
    """Writes the text of a report page.

    Args:
        rows: Rows as `results.read_results` gives them.
        title: The page's title, as plain text.
        verdict: What was found, in words. Defaults to nothing.
        figures: What to show, in order. Defaults to none.
        settings: Names and values of the search's settings. Defaults to none.
        claims: The papers' claims with our numbers. Defaults to none.
        note: In what the settings differ from the papers', and why claims
            are left out. Defaults to nothing.
        lacks: What is missing. Defaults to nothing.
        run_dir: The run directory, for the commands that would supply it.
        own: Which of `"build"` and `"data"` the search was given from
            Python. Defaults to none.

    Returns:
        An HTML document. All texts are escaped; it loads nothing.

    Example:
        >>> row = dict(replicate=0, branch="ticket", round=0, density=1.0,
        ...            best_step=1300, test_accuracy_best=0.975)
        >>> page = html_page([row], title="a < b")
        >>> "<title>a &lt; b</title>" in page, "<td>97.50</td>" in page
        (True, True)
    """
    parts = []
    if verdict:
        parts.append(f'<p class="verdict">{_escape(verdict)}</p>')
    if claims or note:
        parts.append("<h2>The papers' numbers beside ours</h2>")
        parts.append(f"<p>{_escape(claims_table.counts(claims))}</p>")
        parts.append(f"<p>{_escape(note)}</p>" if note else "")
    if claims:
        parts.append(f"<p>{_escape(claims_table.RULES)}</p>")
        parts.append(claims_table.claims_html(claims))
    parts.append(figures_html(figures))
    parts.append("<h2>Rounds</h2>")
    parts.append(_tables(rows))
    if lacks:
        parts.append(_lacks(lacks, run_dir, own))
    if settings:
        parts.append(_settings(settings))
    return document(title, parts, "results.csv and the files beside it")


def document(title: str, parts: Sequence[str], source: str) -> str:
    """Puts parts into an HTML document.

    Args:
        title: As plain text.
        parts: HTML.
        source: What it was made from, for the foot.
    """
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{_escape(title)}</h1>\n{body}\n"
        f"<footer>Made by tflottery from {_escape(source)}.</footer>\n"
        "</body>\n</html>\n"
    )


def comparison_page(
    title: str,
    runs: Sequence[Mapping[str, Any]],
    figures: Sequence[Picture],
    note: str = "",
) -> str:
    """Writes the page that compares several searches.

    Args:
        title: The page's title, as plain text.
        runs: A row per search, by heading.
        figures: What to show, in order.
        note: What was not drawn, and why. Defaults to nothing.

    Returns:
        An HTML document that loads nothing.
    """
    heading = "".join(f'<th scope="col">{_escape(n)}</th>' for n in runs[0])
    lines = "\n".join(
        "<tr>"
        + "".join(f"<td>{_escape(v)}</td>" for v in run.values())
        + "</tr>"
        for run in runs
    )
    table = (
        '<h2>Searches</h2>\n<div class="wide"><table class="settings">\n<thead>'
        f"<tr>{heading}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>"
    )
    text = f"<p>{_escape(note)}</p>" if note else ""
    return document(
        title, [table, text, figures_html(figures)], "the searches' own tables"
    )
