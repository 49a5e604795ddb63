#!/usr/bin/env python3
"""Runs the notebooks of python/notebooks, cell by cell, and looks at what each cell shows.

    scripts/run_notebooks.py [--write FOLDER] [FILE…]

They are kept as Python files with `# %%` between cells, which editors and Jupytext open as notebooks; --write makes .ipynb
files of them.
"""

import argparse
import ast
import json
import pathlib
import time

HERE = pathlib.Path(__file__).resolve().parents[1] / "python" / "notebooks"


def cells(text):
    """The cells of a file: whether each is Markdown, and its text."""
    for part in text.split("# %%")[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()]
            yield True, "\n".join(lines)
        else:
            yield False, body.strip()


def run(path):
    """Runs all code cells; what is at the end of one is shown, as a notebook does it."""
    shared = {"__name__": "__main__"}
    for number, (markdown, text) in enumerate(cells(path.read_text()), 1):
        if markdown:
            continue
        tree = ast.parse(text, f"{path.name}, cell {number}")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{path.name}, cell {number}", "exec"), shared)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), f"{path.name}, cell {number}", "eval"), shared)
            assert repr(value), f"cell {number} shows nothing"
            html = getattr(value, "_repr_html_", None)
            if html is not None:
                assert "<" in html(), f"cell {number} shows no HTML"


def notebook(path):
    """The notebook of a file."""
    found = []
    for number, (markdown, text) in enumerate(cells(path.read_text())):
        cell = {"cell_type": "markdown" if markdown else "code", "id": f"cell-{number}", "metadata": {}}
        cell["source"] = text.splitlines(keepends=True)
        if not markdown:
            cell.update(execution_count=None, outputs=[])
        found.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": found, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("files", nargs="*", type=pathlib.Path, metavar="FILE")
    arguments = parser.parse_args()
    files = arguments.files or sorted(HERE.glob("*.py"))
    assert files, "there are no notebooks"
    for path in files:
        if arguments.write:
            arguments.write.mkdir(parents=True, exist_ok=True)
            out = arguments.write / path.with_suffix(".ipynb").name
            out.write_text(json.dumps(notebook(path), indent=1, ensure_ascii=False) + "\n")
            print(f"wrote {out}")
            continue
        start = time.monotonic()
        run(path)
        print(f"{path.name}: {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
