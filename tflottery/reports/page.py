"""One HTML page that holds a whole report and needs no other file.

A report is mailed, archived and opened years later; so tables, figures and
style are all inside, and nothing is fetched from anywhere.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

from tflottery.reports import summary, tables

_STYLE = """
body { color: #222; font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
       max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
figure { margin: 1rem 0; max-width: 62rem; } img { width: 100%; height: auto; }
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
.settings th { font-weight: normal; color: #555; }
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


def _figure(caption: str, svg: bytes) -> str:
    data = base64.b64encode(svg).decode("ascii")
    text = _escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
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
    figures: Mapping[str, bytes] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Writes the text of a report page.

    Args:
        rows: Rows as `results.read_results` gives them.
        title: The page's title, as plain text.
        verdict: What was found, in words. Defaults to nothing.
        figures: `{caption: SVG}`, in the order to show them in. Defaults to
            none.
        settings: Names and values of the search's settings. Defaults to none.

    Returns:
        An HTML document. All texts are escaped; it loads nothing.

    Example:
        >>> row = dict(replicate=0, branch="ticket", round=0, density=1.0,
        ...            best_step=1300, test_accuracy_best=0.975)
        >>> page = html_page([row], title="a < b")
        >>> "<title>a &lt; b</title>" in page, "<td>97.50</td>" in page
        (True, True)
    """
    parts = [f"<h1>{_escape(title)}</h1>"]
    if verdict:
        parts.append(f'<p class="verdict">{_escape(verdict)}</p>')
    if figures:
        parts.append("<h2>Figures</h2>")
        parts.extend(_figure(c, svg) for c, svg in figures.items())
    parts.append("<h2>Rounds</h2>")
    parts.append(_tables(rows))
    if settings:
        parts.append(_settings(settings))
    parts.append("<footer>Made by tflottery from results.csv.</footer>")
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
