"""`gatekeeper init`: makes a gate's home, whole or not at all."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import click

from gatekeeper import process
from gatekeeper.config.starter import starter
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.model import NO_OID, RELEASE, TAGS, Oid
from gatekeeper.policy import versions
from gatekeeper.repo import create, edition, git, hooks, lock, sign, signers
from gatekeeper.repo.export import write_file
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.ledger import EMPTY_TREE, Ledger
from gatekeeper.repo.sign import Signer


@dataclass(frozen=True, slots=True)
class Source:
    """Where `release` begins: a repository, and a full ref of it."""

    path: Path
    ref: str


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--from", "source", metavar="REPO[#REF]", help="Import this history as `release` (default: its HEAD).")
def init(folder: Path, source: str | None) -> None:
    """Make a gate in DIR, a new or empty folder.

    Example: gatekeeper init /srv/gate --from /srv/app#main
    """
    _require_git()
    start = None if source is None else _source(source)
    home = Home(folder.absolute())
    refuse_occupied(home.path)
    existed = home.path.exists()
    try:
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


def _make(home: Home, start: Source | None) -> Oid:
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
        ledger.record("imported", told, commit=commit, tags=brought, format=edition.FORMAT)
        if repo.resolve(RELEASE) is None:
            ledger.move(Change(RELEASE, NO_OID, commit))
        ledger.move(create.placeholder(commit))
        ledger.commit("init", signed=True)
    hooks.install(home.path)
    edition.write(home)
    return commit


def _begin(repo: Git, signer: Signer, start: Source | None) -> Oid:
    repo.run("hash-object", "-t", "tree", "-w", "--stdin")
    if start is None:
        return signer.commit(tree=EMPTY_TREE, parents=(), message="Begin with an empty tree\n", at=time.time())
    return create.copy_history(repo, str(start.path), start.ref)


def _source(text: str) -> Source:
    """Take `REPO#REF` apart. Raises GateError when REPO is no repository, or has no such branch, tag or commit yet."""
    path, _, name = text.partition("#")
    place = Path(path).absolute()
    probe = process.run(("git", "-C", str(place), "rev-parse", "--absolute-git-dir")) if place.is_dir() else None
    if probe is None or not probe.ok:
        raise GateError(
            f"{path} is not a Git repository.", hints=("gatekeeper init DIR --from REPO[#REF]",), exit=Exit.USAGE
        )
    found = _full_ref(place, name or "HEAD")
    if found is None:
        what = f"no branch or tag named {name}" if name else "no commit on its HEAD"
        raise GateError(f"{path} has {what}.", hints=(f"git -C {path} branch -a",), exit=Exit.USAGE)
    return Source(Path(probe.text), found)


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


def _tell(home: Home, commit: Oid, start: Source | None) -> None:
    written = (
        (home.sites_toml, "the configuration, the only file you edit"),
        (home.repo, "the bare repository that agents push to"),
        (home.repo / "hooks", "pre-receive and post-receive"),
        (home.key, "the Librarian's signing key, with its public half beside it"),
        (home.allowed_signers, "whose signatures count"),
        (home.var, "the Librarian's own state"),
        (home.releases.parent, "the releases that go live"),
        (home.data, "what sites keep"),
        (home.www, "the changelog"),
    )
    for path, what in written:
        click.echo(f"created  {path}  ({what})")
    with Git(home.repo) as repo:
        tags = versions.newest(ref.removeprefix(TAGS) for ref in repo.refs(TAGS))
    origin = f"{start.ref} of {start.path}" if start else "an empty tree"
    click.echo(f"release  {commit[:12]}, from {origin}; not live yet{f', after {tags}' if tags else ''}")
    click.echo("")
    click.echo(f"next     describe your sites in {home.sites_toml}, then:")
    click.echo(f"           gatekeeper --gate {home.path} config check")
    click.echo(f"           gatekeeper --gate {home.path} tick        # verify `release`, start the sites, tag it")
    click.echo(f"           gatekeeper --gate {home.path} run         # stay, and ship what agents push")
