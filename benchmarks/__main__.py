"""Measures everything side by side, and writes docs/benchmarks.md and docs/benchmarks.json: `make bench [ONLY=name,…]`.

Each group of figures runs in a process of its own; one that fails says why, and the others go on. With ONLY the other
groups stay on the page as they were measured before. `FULL=1` measures the greatest sizes, which have a page of their
own, docs/benchmarks-full.md. On two quiet cores the short run takes some 20 minutes, the full one an hour. The words of
the pages are in benchmarks/page.md.
"""

import argparse
import compileall
import json
import os
import platform
import signal
import subprocess
import sys
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from benchmarks import page  # noqa: E402 - what the figures use of the tests comes first
from benchmarks.figure import Figure, absent  # noqa: E402

GROUPS = ("push", "doors", "merge", "ship", "burst", "stage", "crowds", "look", "idle", "year")
"""In this order; each is a module of benchmarks.figures."""
RESULTS = {False: ROOT / "docs" / "benchmarks.json", True: ROOT / "docs" / "benchmarks-full.json"}
"""Of the short run, and of the full one."""
_PATIENCE = {False: 600, True: 1200}
"""Seconds that a group may take, in the short run and in the full one."""


def main() -> int:
    """Measure, and write the page when it is whole."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help=f"some of {', '.join(GROUPS)}")
    parser.add_argument("--full", action="store_true", help="the greatest sizes too")
    parser.add_argument("--one", choices=GROUPS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        return _one(asked.one, full=asked.full)
    wanted = [name for name in asked.only.split(",") if name] or list(GROUPS)
    if unknown := sorted({*wanted} - {*GROUPS}):
        parser.error(f"no figures named {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    compileall.compile_dir(ROOT / "gatekeeper", quiet=1)  # as every installation has it
    subprocess.run([str(ROOT / "benchmarks" / "peers")], check=False)
    told = {"at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": _machine(), "full": asked.full}
    groups = {name: _measured(name, full=asked.full) for name in wanted}
    told["machine"]["load at the end"] = _load()
    found = {name: {"at": told["at"], "figures": [one.as_json for one in figures]} for name, figures in groups.items()}
    results = RESULTS[asked.full]
    before = _before(results)
    told["groups"] = {name: group for name in GROUPS if (group := found.get(name) or before.get(name))}
    results.write_text(json.dumps(told, indent=1) + "\n")
    results.with_suffix(".md").write_text(page.render(told))
    print(f"written: docs/{results.name}, docs/{results.stem}.md")
    return 0


def _before(results: Path) -> dict[str, Any]:
    """Return what earlier runs measured, by group: what this one leaves out stays as it is, with its own time."""
    try:
        return dict(json.loads(results.read_bytes())["groups"])
    except (OSError, ValueError, KeyError):
        return {}


def _one(name: str, *, full: bool) -> int:
    """Measure one group, a line of JSON a figure as soon as it is there."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f"{name} was stopped"))  # so that what it started is ended
    for figure in import_module(f"benchmarks.figures.{name}").figures(full=full):
        print(f"figure {json.dumps(figure.as_json)}", flush=True)
    return 0


def _measured(name: str, *, full: bool) -> list[Figure]:
    print(f"\n{name}", flush=True)
    argv = [sys.executable, "-m", "benchmarks", "--one", name, *(["--full"] if full else [])]
    found, why = list[Figure](), ""
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said, errors = process.communicate(timeout=_PATIENCE[full])
        except subprocess.TimeoutExpired:
            process.terminate()
            said, errors = process.communicate()
            why = f"it took longer than {_PATIENCE[full]} seconds"
    for line in said.splitlines():
        if line.startswith("figure "):
            found.append(_figure(json.loads(line.removeprefix("figure "))))
    if process.returncode and not why:
        why = (errors.strip().splitlines() or ["no word"])[-1]
        print(errors[-2000:], file=sys.stderr)
    found += [absent(f"the rest of {name}", why)] if why else []
    for figure in found:
        print(page.plain(figure), flush=True)
    return found


def _figure(told: dict[str, Any]) -> Figure:
    spread = told["spread"]
    return replace(Figure(**told), spread=tuple(spread) if spread else None)


def _machine() -> dict[str, str]:
    model = next((line.partition(": ")[2] for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?")
    return {
        "cores": f"{os.cpu_count()} of {model}",
        "system": f"{platform.system()} {platform.release()}",
        "load at the beginning": _load(),
        "Python": platform.python_version(),
        "pm2": json.loads((ROOT / "node_modules" / "pm2" / "package.json").read_text())["version"],
        **{name: _said(argv) for name, argv in _PROGRAMS.items()},
    }


_PROGRAMS = {
    "Git": ("git", "--version"),
    "Node": ("node", "--version"),
    "bubblewrap": ("bwrap", "--version"),
    "gitolite": ("dpkg-query", "-W", "-f", "gitolite3 ${Version}\n", "gitolite3"),
    "capistrano": ("cap", "--version"),
}


def _said(argv: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return "not installed"
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if any(char.isdigit() for char in line)]
    return (lines or ["installed"])[-1][:60]


def _load() -> str:
    return ", ".join(f"{each:.1f}" for each in os.getloadavg())


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        traceback.print_exc(limit=1)
        sys.exit(130)
