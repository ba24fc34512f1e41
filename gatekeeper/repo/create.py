"""Makes the bare repository and the settings that guard it. The hooks are `repo.hooks`' business."""

from collections.abc import Iterable
from pathlib import Path

from gatekeeper import process
from gatekeeper.errors import GateError
from gatekeeper.model import NO_OID, RELEASE, TAGS, Oid, Ref
from gatekeeper.repo.export import remove
from gatekeeper.repo.git import Change, Git
from gatekeeper.repo.ledger import EMPTY_TREE

_KNOWN = (
    'f() { case $1 in */known) git --git-dir="$1/.." rev-list --first-parent -n 200 refs/heads/release -- 2>/dev/null;;'
    " esac; }; f"
)
"""Git hands the alternate's path to the command as its first word. While a push lies apart, the repository itself is an
alternate too, and is not to name its refs."""

_LISTED = dict[bytes, str]()
"""The settings that the file with this content holds: the last only."""
SETTINGS = (
    # Three refusals of a write to anything but request refs stand beside each other; this one needs no hook.
    ("receive.hideRefs", "refs/"),
    ("receive.hideRefs", "!refs/heads/request/"),
    ("receive.fsckObjects", "true"),
    ("receive.autogc", "false"),
    ("receive.advertisePushOptions", "true"),
    ("receive.denyDeletes", "false"),
    ("receive.denyNonFastForwards", "false"),
    ("receive.maxInputSize", "2147483648"),
    ("transfer.fsckObjects", "true"),
    ("uploadpack.hideRefs", "refs/heads/request/_"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("core.fsync", "all"),
    ("core.fsyncMethod", "batch"),
    ("core.logAllRefUpdates", "always"),
    ("core.useReplaceRefs", "false"),
    # Git 2.43 to 2.45 read attributes from HEAD in a bare repository: `merge=union` there would hide a conflict.
    ("attr.tree", EMPTY_TREE),
    ("core.alternateRefsCommand", _KNOWN),
    ("gpg.format", "ssh"),
)

PLACEHOLDER = Ref("refs/heads/request/_")
"""No request id: an id has no underscore."""


def create(folder: Path) -> Git:
    """Make a bare repository at `folder` with the gate's settings, its HEAD on `release`."""
    done = process.run(("git", "init", "-q", "--bare", "--initial-branch=release", "--template=", str(folder)))
    if not done.ok:
        raise GateError(f"git init failed: {done.errors.decode('utf-8', 'replace').strip()}")
    git = Git(folder)
    configure(git)
    (folder / "hooks").mkdir(exist_ok=True)
    return git


def configure(git: Git, obsolete: Iterable[str] = ()) -> None:
    """Write the settings, each once, whatever was there; `obsolete` ones that are none any more go."""
    for name in dict.fromkeys((*obsolete, *(name for name, _ in SETTINGS))):
        git.run("config", "--unset-all", name, allowed=(0, 5))
    for name, value in SETTINGS:
        git.run("config", "--add", name, value)
    git.run("config", "gpg.ssh.allowedSignersFile", str(git.folder.parent / "keys" / "allowed_signers"))
    _make_history_known(git.folder)


def release(git: Git) -> None:
    """Take from a repository what made it a gate's: anybody may push to it again who may write there."""
    for name in dict.fromkeys(name for name, _ in SETTINGS if name != "gpg.format"):
        git.run("config", "--unset-all", name, allowed=(0, 5))
    (git.folder / "objects" / "info" / "alternates").unlink(missing_ok=True)
    remove(git.folder / "known")


def foreign_settings(git: Git, settings: Iterable[tuple[str, str]] = SETTINGS) -> tuple[str, ...]:
    """Return the names of settings that are not as `configure` leaves them, or left them when it knew others."""
    seen: dict[str, list[str]] = {}
    for line in _listed(git).split("\0"):
        name, _, value = line.partition("\n")
        seen.setdefault(name, []).append(value)
    wanted: dict[str, list[str]] = {}
    for name, value in settings:
        wanted.setdefault(name.lower(), []).append(value)
    return tuple(name for name, values in wanted.items() if seen.get(name) != values)


def _listed(git: Git) -> str:
    """Return the settings as Git lists them: it is asked anew where the file is not what it last listed."""
    file = git.folder / "config"
    before = file.read_bytes()
    if before in _LISTED:
        return _LISTED[before]
    said = git.text("config", "--local", "--list", "-z")
    _LISTED.clear()
    if file.read_bytes() == before:
        _LISTED[before] = said
    return said


def _make_history_known(folder: Path) -> None:
    """Have receive-pack name the newest commits of `release`, which hideRefs hides, as `.have` lines.

    Git asks `core.alternateRefsCommand` for each alternate; this one is empty, and needs a refs folder beside its
    objects, or Git passes it over in silence. Without it a push of one file sends the whole history.
    """
    alternate = folder / "known"
    for part in ("objects", "refs"):
        (alternate / part).mkdir(parents=True, exist_ok=True)
    # A clone by path takes the alternate along and asks it for its refs: it must pass for a repository.
    (alternate / "HEAD").write_text("ref: refs/heads/none\n")
    (folder / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (folder / "objects" / "info" / "alternates").write_text("../known/objects\n")


def copy_history(git: Git, source: str, ref: str) -> Oid:
    """Bring `ref` of the repository `source` and all its tags into this one; return the commit.

    Objects come by fetch, which runs no code of the source; its tags are checked by the caller.
    """
    args = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", source, f"{ref}:{RELEASE}", f"{TAGS}*:{TAGS}*")
    done = git.run("-c", "fetch.fsckObjects=true", *args, allowed=(0, 1, 128))
    if not done.ok:
        raise GateError(f"{source} could not be read: {done.errors.decode('utf-8', 'replace').strip()}")
    commit = git.resolve(f"{RELEASE}^{{commit}}")
    if commit is None:
        raise GateError(f"{ref} of {source} is not a branch with a commit.")
    return commit


def placeholder(commit: Oid) -> Change:
    """Return the ref below `refs/heads/request/` that keeps a branch named just `request` out."""
    return Change(PLACEHOLDER, NO_OID, commit)
