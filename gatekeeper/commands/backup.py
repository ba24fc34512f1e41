"""`gatekeeper backup` and `restore`: a mirror of the repository, with sites.toml, keys and the files of secrets.

A mirror never follows a log that was cut or rewritten: it is then the last proof of what was there.
"""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

import gatekeeper
from gatekeeper import fault, process
from gatekeeper.audit.verify import verify
from gatekeeper.commands.home import gate_in
from gatekeeper.commands.init import make_folders, refuse_occupied
from gatekeeper.commands.init import remove as clear
from gatekeeper.commands.under_way import under_way
from gatekeeper.config.force import in_force
from gatekeeper.errors import Exit, GateError
from gatekeeper.home import Home
from gatekeeper.librarian import sealing
from gatekeeper.librarian.door import ourselves
from gatekeeper.model import LOG, NO_OID, RELEASE, SEALED, Oid
from gatekeeper.repo import create, edition, hooks, lock
from gatekeeper.repo.export import remove, write_file
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.ledger import Ledger, utc
from gatekeeper.repo.sign import Signer

_LABEL = "backup.json"
_SCHEMA = 1


@click.command("backup")
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--final", is_flag=True, help="Seal this gate: from now on it runs, ships and takes nothing.")
@click.option("-m", "--message", default="", help="With --final: where the gate goes, and why; it is recorded.")
@click.pass_obj
def backup(folder: Path, target: Path, *, final: bool, message: str) -> None:
    """Copy the gate to DIR, or bring the copy that is there up to date: secrets included, data of sites not.

    With --final this gate ends, so that what `restore` makes of the copy is the only one. Stop its Librarian before.
    Example: gatekeeper backup /mnt/backup/gate
    """
    home, target = gate_in(folder), target.absolute()
    if not final:
        _copy_all(home, target, final=False)
        return
    if not message:
        raise click.UsageError('Say where the gate goes: --final -m "moved to web2".')
    with sealing.held(home) as token:
        _copy_all(home, target, final=False, quiet=True)  # the most of it, and whether there is room, before the end
        sealing.seal(home, token, by=ourselves(), reason=message)
        _copy_all(home, target, final=True)
    click.echo("sealed   this gate runs, ships and takes nothing any more; its sites go on until you stop them")
    click.echo(f"next     on the other machine: gatekeeper restore {target} {home.path}")


def _copy_all(home: Home, target: Path, *, final: bool, quiet: bool = False) -> None:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    if any(target.iterdir()) and not (target / "repo.git").is_dir():
        raise GateError(f"{target} is not empty and holds no backup, so nothing was changed.", exit=Exit.USAGE)
    mirror = _mirror(target / "repo.git")
    with mirror, Git(home.repo) as own:
        _refuse_another_past(mirror, own)
        with under_way("copying the repository"):
            _fetch(mirror, home.repo)
        head = mirror.resolve(LOG)
    remove(target / "files" / home.spool.relative_to(home.path))
    for path in _files(home):
        with suppress(FileNotFoundError):  # what the Librarian took out of the spool meanwhile
            _copy(path, target / "files" / path.relative_to(home.path))
    with fault.step("label the backup"):
        _label(home, target, head, final=final)
    if quiet:
        return
    click.echo(f"written  {target}: {head and head[:12]} is the newest record")
    for left in _outside(home):
        click.echo(f"note     {left} lies outside the gate; copy it yourself")
    click.echo(f"note     what sites keep in {home.data} is not in it")


@click.command("restore")
@click.argument("source", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("target", metavar="HOME", type=click.Path(path_type=Path))
def restore(source: Path, target: Path) -> None:
    """Make a gate in HOME, a new or empty folder, from a backup in DIR that is found whole.

    Example: gatekeeper restore /mnt/backup/gate /srv/gate
    """
    home = Home(target.absolute())
    label = _label_of(source)
    edition.refuse(label, f"The backup in {source}")
    with under_way("verifying the backup"):
        _refuse_damaged(source)
    refuse_occupied(home.path)
    existed = home.path.exists()
    try:
        with under_way("restoring"):
            _make(home, source, final=bool(label.get("final")))
    except BaseException:
        clear(home.path, keep=existed)
        raise
    click.echo(f"restored {home.path} from {source}")
    click.echo(f"note     what sites kept is not in a backup: put it into {home.data} before the first heartbeat")
    _warn(label)
    click.echo(f"next     gatekeeper --gate {home.path} tick        # brings the sites to what `release` says")


def _warn(label: Mapping[str, Any]) -> None:
    """Two gates would ship to the same sites, each as it thinks right."""
    where = f"{label.get('home', 'its home')} on {label.get('host', 'its machine')}"
    if label.get("final"):
        click.echo(f"note     the gate in {where} is sealed; restore this backup once only")
        return
    click.echo(f"warning: the gate in {where} was not sealed. If it still runs, two gates ship to the sites.", err=True)
    click.echo("hint: gatekeeper backup DIR --final -m WHERE   (there, before anything runs here)", err=True)


def _make(home: Home, source: Path, *, final: bool) -> None:
    make_folders(home)
    files = source / "files"
    for path in (path for path in files.rglob("*") if path.is_file()):
        _copy(path, home.path / path.relative_to(files))
    with create.create(home.repo) as repo, lock.hold(home.path) as held:
        home.repo.chmod(0o700)
        _fetch(repo, source / "repo.git")
        repo.run("hash-object", "-t", "tree", "-w", "--stdin")
        ledger = Ledger(repo, Signer(repo, home.key), held, time.time)
        release = repo.resolve(RELEASE)
        if release is None:
            raise GateError("The backup holds no `release`.", code="GATE-502", exit=Exit.TAMPERED)
        if not repo.refs("refs/heads/request/_"):
            ledger.move(create.placeholder(release))
        if (seal := repo.resolve(SEALED)) is not None:
            ledger.move(Change(SEALED, seal, NO_OID))
        told = f"from a {'final ' if final else ''}backup, at {release[:12]}"
        ledger.record("restored", told, commit=release, final=final, format=edition.FORMAT)
        ledger.commit("restored", signed=True)
    hooks.install(home.path)
    edition.write(home)


def _mirror(folder: Path) -> Git:
    if not folder.is_dir():
        done = process.run(("git", "init", "-q", "--bare", "--initial-branch=release", "--template=", str(folder)))
        if not done.ok:
            raise GateError(f"git init failed: {done.errors.decode('utf-8', 'replace').strip()}")
    git = Git(folder)
    git.run("config", "core.fsync", "all")
    git.run("config", "gc.auto", "0")
    return git


def _refuse_another_past(mirror: Git, own: Git) -> None:
    known, head = mirror.resolve(LOG), own.resolve(LOG)
    if known is None or (head is not None and own.resolve(f"{known}^{{commit}}") and own.is_ancestor(known, head)):
        return
    raise GateError(
        "The gate's log does not continue the one in the backup: it was cut or rewritten. The backup was left alone.",
        code="GATE-502",
        hints=(f"gatekeeper audit verify --repo {mirror.folder}",),
        exit=Exit.TAMPERED,
    )


def _fetch(into: Git, source: Path) -> None:
    """Bring every ref, and drop those that are gone; objects are checked on their way."""
    into.run(
        "-c",
        "fetch.fsckObjects=true",
        "fetch",
        "-q",
        "--prune",
        "--no-tags",
        "--no-write-fetch-head",
        "--update-head-ok",
        str(source),
        "+refs/*:refs/*",
    )


def _refuse_damaged(source: Path) -> None:
    with Git((source / "repo.git").absolute()) as git:
        told, _ = verify(git, source / "files" / "keys" / "allowed_signers")
    if told.first_bad is not None:
        raise GateError(
            f"This backup is not as it was written. {told.first_bad.text}", code="GATE-502", exit=Exit.TAMPERED
        )


def _files(home: Home) -> Iterator[Path]:
    """Yield what is not in Git: the configuration, the keys, and the files of secrets inside the gate's home."""
    yield home.sites_toml
    yield from (path for path in sorted(home.key.parent.iterdir()) if path.is_file())
    yield from (path for path in _secrets(home) if path.is_relative_to(home.path) and path.is_file())
    yield from sorted(home.spool.rglob("[!.]*.json"))  # pushes that no Librarian has seen: who made them stands there


def _outside(home: Home) -> Iterator[Path]:
    return (path for path in _secrets(home) if not path.is_relative_to(home.path))


def _secrets(home: Home) -> tuple[Path, ...]:
    config = in_force(home).config
    named = [site.env_file for site in config.sites.values() if site.env_file] + [config.gate.alerts_file]
    return tuple(dict.fromkeys((home.path / name).resolve() for name in named))


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(to, path.read_bytes(), mode=path.stat().st_mode & 0o777)


def _label(home: Home, target: Path, head: Oid | None, *, final: bool) -> None:
    fields = {
        "schema": _SCHEMA,
        "at": utc(time.time()),
        "gatekeeper": gatekeeper.__version__,
        "format": edition.FORMAT,
        "log": head,
        "home": str(home.path),
        "host": socket.gethostname(),
        "final": final,
    }
    write_file(target / _LABEL, json.dumps(fields).encode() + b"\n", mode=0o600)


def _label_of(source: Path) -> Mapping[str, Any]:
    try:
        label = json.loads((source / _LABEL).read_bytes())
    except (OSError, ValueError):
        label = None
    if not isinstance(label, dict):
        raise GateError(f"{source} holds no backup.", hints=("gatekeeper backup DIR",), exit=Exit.NOT_FOUND)
    return label
