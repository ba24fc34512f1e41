"""A push of 100 changed files by path: with the hooks, without, with a hook of click and GitPython; what one sends."""

import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from faults.crash import faulty_gate
from faults.many import at_work, lay
from gatehouse import Clone, Gatehouse

from benchmarks import past
from benchmarks.figure import Figure, at_most, faster, growth, in_turn, value

FILES = 100
VERSIONS, LARGE = 1_000, 5_000
ROUNDS = 15
_CLICK_HOOK = """#!{python}
import sys
import click
import git

@click.command()
def judge():
    repo = git.Repo(".")
    for line in sys.stdin:
        old, new, ref = line.split()
        if not ref.startswith("refs/heads/request/"):
            raise click.ClickException("requests only")
        commit = repo.commit(new)
        changed = commit.diff(repo.commit("release"))
        if any(".git" in (each.a_path or "").split("/") for each in changed):
            raise click.ClickException("forbidden")
    click.echo("filed")

judge()
"""


def figures(*, full: bool) -> Iterator[Figure]:
    """Yield the ratios, and how a push grows with the requests that are open."""
    with faulty_gate(("one",)) as gate:
        repos = {"ours": gate.home.repo, "bare": _bare(gate, "bare"), "click": _bare(gate, "click")}
        hook = repos["click"] / "hooks" / "pre-receive"
        hook.parent.mkdir()
        hook.write_text(_CLICK_HOOK.format(python=sys.executable))
        hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
        taken = _pushed(gate.clone(), repos)
        yield at_most(f"push, path, {FILES} files", "the same push, no hook", taken["ours"], taken["bare"], 2.5)
        yield faster(f"push, path, {FILES} files", "a click and GitPython hook", taken["ours"], taken["click"], None)
    yield from _crowd((100, 1_000, 10_000) if full else (10, 100, 1_000))
    yield from _large((1_000, 10_000, 100_000) if full else (50, 500, 5_000))
    yield value(
        f"objects that a push of one changed file sends; {VERSIONS:,} versions of {LARGE:,} files", _sent(), "", 8
    )


def _bare(gate: Gatehouse, name: str) -> Path:
    """Return a copy of the repository, with its settings and without hooks, in a home of its own."""
    repo = gate.root / name / "repo.git"
    shutil.copytree(gate.home.repo, repo, symlinks=True)
    shutil.rmtree(repo / "hooks")
    return repo


def _pushed(clone: Clone, repos: dict[str, Path]) -> dict[str, list[float]]:
    def push(repo: Path) -> None:
        clone.git("push", "-q", "-f", str(repo), "HEAD:refs/heads/request/measured")

    taken: dict[str, list[float]] = {name: [] for name in repos}
    for number in range(-1, ROUNDS):
        clone.commit({f"sites/one/many/{at}.txt": f"{number} {at}\n" for at in range(FILES)}, f"Round {number}")
        once = in_turn({name: partial(push, repo) for name, repo in repos.items()}, 1, warm=0)
        for name, seconds in once.items():
            taken[name] += seconds if number >= 0 else []
    return taken


def _crowd(sizes: tuple[int, ...]) -> Iterator[Figure]:
    medians = []
    for size in sizes:
        with faulty_gate(("one",)) as gate:
            gate.home.sites_toml.write_text(gate.toml.replace("open_requests = 1000", "open_requests = 100000"))
            lay(gate, "many", size, site="one")
            with at_work(gate) as librarian:
                past.filed(librarian)
            subprocess.run(["git", f"--git-dir={gate.home.repo}", "pack-refs", "--all"], check=True)
            taken = _pushed(gate.clone(), {"ours": gate.home.repo, "bare": _bare(gate, "bare")})
        medians.append(sorted(taken["ours"])[len(taken["ours"]) // 2])
    yield at_most(f"push with {sizes[-1]:,} open requests", "the same push, no hook", taken["ours"], taken["bare"], 2.5)
    yield growth("push, open requests", sizes, medians)


def _large(sizes: tuple[int, ...]) -> Iterator[Figure]:
    medians = []
    for size in sizes:
        with faulty_gate(("one",)) as gate:
            past.widened(gate, size)
            taken = _pushed(gate.clone(), {"ours": gate.home.repo, "bare": _bare(gate, "bare")})
        medians.append(sorted(taken["ours"])[len(taken["ours"]) // 2])
    what = f"push, path, {FILES} of {sizes[-1]:,} files"
    yield at_most(what, "the same push, no hook", taken["ours"], taken["bare"], 2.5)
    yield growth("push, files of `release`", sizes, medians)


def _sent() -> int:
    """Count what a clone of the present release sends: the file, the folders above it and the commit, nothing else."""
    with faulty_gate(("one",)) as gate:
        past.widened(gate, LARGE)
        past.lived(gate, VERSIONS)
        clone = gate.clone()
        clone.commit({"sites/one/page.txt": "another\n"}, "Change a page")
        said = clone.run("git", "push", "--progress", "origin", "HEAD:request/sent").stderr
    counted = re.search(r"^Total (\d+) ", said, re.MULTILINE)
    assert counted is not None, said
    return int(counted[1])
