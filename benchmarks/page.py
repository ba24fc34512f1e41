"""Renders docs/benchmarks.md and docs/benchmarks-full.md: the words of benchmarks/page.md around a table."""

from pathlib import Path
from typing import Any

from benchmarks.figure import Figure

HEAD = "| Figure | Against | Ours | Theirs | Times | Spread | Goal | Met |\n|---|---|---|---|---:|---|---|---|"


def render(told: dict[str, Any]) -> str:
    """Return the whole page."""
    groups = told["groups"]
    figures = [Figure(**one) for group in groups.values() for one in group["figures"]]
    at = sorted({group["at"] for group in groups.values()})
    runs = {one: ", ".join(name for name, group in groups.items() if group["at"] == one) for one in at}
    words = (Path(__file__).parent / "page.md").read_text()
    parts = {
        "at": "one run" if len(at) == 1 else f"{len(at)} runs",
        "runs": "\n".join(f"- {one}: {names}" for one, names in runs.items()),
        "sizes": "the greatest sizes" if told["full"] else "the short sizes",
        "others": "The short ones: [benchmarks.md](benchmarks.md)."
        if told["full"]
        else "`make bench FULL=1` measures the greatest: [benchmarks-full.md](benchmarks-full.md).",
        "json": "benchmarks-full.json" if told["full"] else "benchmarks.json",
        "machine": "\n".join(f"- {name}: {text}" for name, text in told["machine"].items()),
        "table": "\n".join([HEAD, *map(row, figures)]),
        "missed": "\n".join(_missed(one) for one in figures if one.met is False) or "Nothing: every goal is met.",
        "notes": "\n".join(f"- {one.name}: {one.note}" for one in figures if one.note) or "None.",
    }
    for name, text in parts.items():
        words = words.replace(f"{{{{{name}}}}}", text)
    return words


def row(one: Figure) -> str:
    """Return one line of the table."""
    times = f"{one.times:.2f}" if one.times is not None else ""
    spread = f"{one.spread[0]:.2f} to {one.spread[1]:.2f}" if one.spread else ""
    met = {None: "", True: "yes", False: "**no**"}[one.met]
    cells = (one.name, one.against, one.ours, one.other, times, spread, one.goal, met)
    return f"| {' | '.join(cell.replace('|', 'or') for cell in cells)} |"


def plain(one: Figure) -> str:
    """Return one line for a terminal."""
    times = f"{one.times:.2f}" if one.times is not None else "-"
    met = {None: "", True: "met", False: "MISSED"}[one.met]
    return f"  {one.name} | {one.against} | {one.ours} | {one.other} | {times} | {one.goal} {met} {one.note}"


def _missed(one: Figure) -> str:
    times = f"{one.times:.2f}, " if one.times is not None else f"{one.ours}, "
    return f"- {one.name}{f', against {one.against}' if one.against else ''}: {times}wanted {one.goal}."
