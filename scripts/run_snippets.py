#!/usr/bin/env python3
"""Runs every Python snippet of a page with the installed package, in a folder with the sweep that the page speaks of.

    scripts/run_snippets.py docs/python.md
"""

import os
import pathlib
import re
import sys
import tempfile

import igniter

page = pathlib.Path(sys.argv[1]).resolve()
snippets = re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
assert len(snippets) >= 4, f"{page} has lost its snippets"
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    igniter.sweep(
        igniter.Scenario("paper-12-bursty").with_(duration_s=5, warmup_s=1, cooldown_s=1),
        [
            {"path": "rate_scale", "values": [0.2, 0.6]},
            {"path": "workload.*.arrival.cv", "name": "cv", "values": [0.5, 2]},
        ],
        seeds=3, output="results", progress=False,
    )
    for number, snippet in enumerate(snippets, 1):
        print(f"--- snippet {number}", flush=True)
        # Ctrl-C, files and names are those of the page: each snippet stands alone.
        exec(compile(snippet, f"{page.name}, snippet {number}", "exec"), {"__name__": "__main__"})
