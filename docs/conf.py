"""Sphinx settings: `python -m sphinx docs out/docs` renders these pages."""

project = "tflottery"
author = "the tflottery authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
# Links out of docs/ (to the README, say) are right on disk and on GitHub.
# The index is a table of links rather than a toctree.
suppress_warnings = ["myst.xref_missing", "toc.not_included"]
