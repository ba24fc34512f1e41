"""`gatekeeper init`: makes a gate's home, whole or not at all."""

import shutil
import sys
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from gatekeeper import messages, process
from gatekeeper.commands.plain import plain
from gatekeeper.commands.under_way import under_way
from gatekeeper.config import words
from gatekeeper.config.schema import Limits
from gatekeeper.config.starter import starter
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.model import NO_OID, RELEASE, TAGS, Oid
from gatekeeper.policy import content, versions
from gatekeeper.repo import create, edition, git, hooks, lock, sign, signers
from gatekeeper.repo.export import write_file
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.join import Part, join
from gatekeeper.repo.ledger import EMPTY_TREE, Ledger
from gatekeeper.repo.sign import Signer
from gatekeeper.repo.tree import compare

_NEVER = ("submodule", "git", "git_link", "mode")
"""What is never written to disk; the rest of GATE-204 is only kept out of requests."""


class Source(Struct, frozen=True):
    """Where `release` begins, or a part of it: a repository, a full ref of it, the folder that its files stand in.

    `below` is where they lie in `release`, "." for all of it.
    """

    path: Path
    ref: str
    folder: Path
    below: str = "."


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "given",
    metavar="[NAME=]REPO[#REF]",
    multiple=True,
    help="Import this history as `release` (default: its HEAD); several, each with a name, are joined: sites/NAME.",
)
def init(folder: Path, given: tuple[str, ...]) -> None:
    """Make a gate in DIR, a new or empty folder.

    Several repositories become one: --from shop=/srv/shop --from web=/srv/web#main.

    Example: gatekeeper init /srv/gate --from /srv/app#main
    """
    _require_git()
    start = sources(given)
    home = Home(folder.absolute())
    refuse_occupied(home.path)
    existed = home.path.exists()
    try:
        with under_way(" and ".join(f"importing {one.ref} of {one.path}" for one in start) or "making the gate"):
            commit = _make(home, start)
    except BaseException:
        remove(home.path, keep=existed)
        raise
    _tell(home, commit, start)


def make_folders(home: Home) -> None:
    """Make the folders of a gate's home, with who may look into them."""
    for place in (home.path, home.releases, home.data, home.www, home.spool, home.builds, home.logs, home.key.parent):
        place.mkdir(parents=True, exist_ok=True)
    for private in (home.var, home.key.parent):
        private.chmod(0o700)
    home.path.chmod(0o711)


def _make(home: Home, start: Sequence[Source]) -> Oid:
    make_folders(home)
    public = sign.new_key(home.key)
    write_file(home.allowed_signers, signers.line(public).encode())
    write_file(home.sites_toml, starter().encode())
    repo = create.create(home.repo)
    home.repo.chmod(0o700)
    with repo, lock.hold(home.path) as held:
        signer = Signer(repo, home.key)
        ledger = Ledger(repo, signer, held, time.time)
        commit = _begin(repo, signer, start)
        brought = {
            ref.removeprefix(TAGS): oid for ref, oid in repo.refs(TAGS).items() if versions.parse(ref[len(TAGS) :])
        }
        told = f"release begins at {commit[:12]}; it is not live yet"
        _refuse_unshippable(repo, commit)
        origins = [{"folder": str(one.folder), "ref": one.ref, "below": one.below} for one in start]
        ledger.record("imported", told, commit=commit, tags=brought, sources=origins, format=edition.FORMAT)
        if repo.resolve(RELEASE) is None:
            ledger.move(Change(RELEASE, NO_OID, commit))
        ledger.move(create.placeholder(commit))
        ledger.commit("init", signed=True)
    hooks.install(home.path)
    edition.write(home)
    return commit


def _begin(repo: Git, signer: Signer, start: Sequence[Source]) -> Oid:
    repo.run("hash-object", "-t", "tree", "-w", "--stdin")
    match start:
        case []:
            return signer.commit(tree=EMPTY_TREE, parents=(), message="Begin with an empty tree\n", at=time.time())
        case [Source(below=".") as whole]:
            return create.copy_history(repo, str(whole.path), whole.ref)
    return join(repo, signer, [Part(str(one.path), one.ref, one.below) for one in start], time.time)


def sources(given: Sequence[str]) -> list[Source]:
    """Take each `[NAME=]REPO[#REF]` apart. Raises GateError for one that cannot be used, and for two in one place."""
    found = [_source(text) for text in given]
    places = [one.below for one in found]
    if len(found) > 1 and "." in places:
        raise _misused(f"{given[places.index('.')]} has no name, and several repositories are joined.")
    for one, other in combinations(places, 2):
        if f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/"):
            raise _misused(f"Two repositories cannot both lie in {min(one, other, key=len)}.")
    return found


def _source(text: str) -> Source:
    """Raises GateError when REPO is no repository, or has no such branch, tag or commit yet."""
    where, _, name = text.partition("#")
    called, equals, path = where.partition("=")
    if not equals or Path(where).is_dir():
        called, path = "", where
    place = Path(path).absolute()
    probe = process.run(("git", "-C", str(place), "rev-parse", "--absolute-git-dir")) if place.is_dir() else None
    if probe is None or not probe.ok:
        raise _misused(f"{path} is not a Git repository.")
    found = _full_ref(place, name or "HEAD")
    if found is None:
        what = f"no branch or tag named {name}" if name else "no commit on its HEAD"
        raise GateError(f"{path} has {what}.", hints=(f"git -C {path} branch -a",), exit=Exit.USAGE)
    top = process.run(("git", "-C", str(place), "rev-parse", "--show-toplevel"))
    return Source(Path(probe.text), found, Path(top.text) if top.ok else place, _below(called))


def _below(called: str) -> str:
    """Return where a repository of this name lies: sites/NAME, or the name itself when it is a path."""
    if not called:
        return "."
    path = called if "/" in called else f"sites/{called}"
    wrong = words.tree_path(path) or next((said for part in path.split("/") if (said := words.label(part))), None)
    if wrong is not None or ("/" not in called and words.name(called) is not None):
        raise _misused(f"A repository cannot be called {called!r}. {wrong or words.name(called)}")
    return path


def _misused(text: str) -> GateError:
    hints = ("gatekeeper init DIR --from REPO[#REF]", "gatekeeper init DIR --from shop=REPO --from web=REPO[#REF]")
    return GateError(text, hints=hints, exit=Exit.USAGE)


def _refuse_unshippable(repo: Git, commit: Oid) -> None:
    """Raise GATE-204 with everything at once that can never be written to a site's disk."""
    never = [finding for finding in _findings(repo, commit) if finding[1] in _NEVER]
    if never:
        raise GateError(
            f"{len(never)} paths can never ship, so nothing was made. Take them out there and begin again.",
            code="GATE-204",
            hints=tuple(_worded(finding) for finding in never),
        )


def _findings(repo: Git, commit: Oid) -> list[tuple[str, str, str]]:
    return content.findings(compare(repo.call, None, f"{commit}^{{tree}}", _boundless()))


def _boundless() -> dict[str, int]:
    return dict.fromkeys(("request_paths", "request_depth", "request_bytes"), sys.maxsize)


def _worded(finding: tuple[str, str, str]) -> str:
    path, why, more = finding
    return messages.reason("GATE-204", **content.forbidden(why, more, path).values)


def _full_ref(place: Path, name: str) -> str | None:
    """Return the one full ref that `name` means: a branch before a tag, never a prefix of either."""
    for ref in (name, f"refs/heads/{name}", f"refs/tags/{name}"):
        known = ref == "HEAD" or ref.startswith("refs/")
        if known and process.run(("git", "-C", str(place), "rev-parse", "-q", "--verify", f"{ref}^{{commit}}")).ok:
            return ref
    return None


def _require_git() -> None:
    found = git.version()
    if found[:2] < git.OLDEST:
        needed, there = (".".join(str(part) for part in numbers) for numbers in (git.OLDEST, found))
        raise GateError(f"Git {there} is too old: {needed} or newer is needed, for merges without a checkout.")


def refuse_occupied(folder: Path) -> None:
    """Raise GateError unless the folder is new or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GateError(
            f"{folder} is not empty, so nothing was changed.", hints=("gatekeeper init NEW_DIR",), exit=Exit.USAGE
        )


def remove(folder: Path, *, keep: bool) -> None:
    """Take back what was made, and the folder itself unless it was there before."""
    for path in folder.iterdir() if folder.is_dir() else ():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if not keep and folder.is_dir():
        folder.rmdir()


def _tell(home: Home, commit: Oid, start: Sequence[Source]) -> None:
    written = (
        (home.sites_toml, "the configuration, the only file you edit"),
        (home.repo, "the bare repository that agents push to"),
        (home.repo / "hooks", "pre-receive and post-receive"),
        (home.key, "the Librarian's signing key, with its public half beside it"),
        (home.allowed_signers, "whose signatures count"),
        (home.var, "the Librarian's own state"),
        (home.releases.parent, "the releases that go live"),
        (home.data, "what sites keep"),
        (home.www, "the status page and the changelog"),
    )
    for path, what in written:
        click.echo(f"created  {path}  ({what})")
    with Git(home.repo) as repo:
        _tell_release(repo, commit, start)
    click.echo("")
    click.echo(f"next     describe your sites in {home.sites_toml}, then:")
    click.echo(f"           gatekeeper --gate {home.path} config check")
    click.echo(f"           gatekeeper --gate {home.path} tick        # verify `release`, start the sites, tag it")
    click.echo(f"           gatekeeper --gate {home.path} run         # stay, and ship what agents push")


def _tell_release(repo: Git, commit: Oid, start: Sequence[Source]) -> None:
    """Say what `release` is, what came along with it, and what of it no request could bring in."""
    tags = [ref.removeprefix(TAGS) for ref in repo.refs(TAGS)]
    newest = versions.newest(tags)
    origin = ", ".join(f"{one.ref} of {one.path}{'' if one.below == '.' else f' as {one.below}'}" for one in start)
    first = versions.following(tags, ())
    click.echo(f"release  {commit[:12]}, from {origin or 'an empty tree'}; not live yet")
    if start:
        commits = int(repo.text("rev-list", "--count", commit))
        last = f", the highest version {newest}" if newest else ""
        click.echo(f"history  {commits} commits, {len(tags)} tags{last}: the first version here will be {first}")
    for finding in _findings(repo, commit):
        click.echo(plain(f"note     GATE-204 {_worded(finding)}"))
    change = compare(repo.call, None, f"{commit}^{{tree}}", msgspec.to_builtins(Limits()))
    for refusal in content.too_large_for(change, msgspec.to_builtins(Limits())):
        click.echo(plain(f"note     GATE-205 {messages.reason('GATE-205', **refusal.values)}"))
