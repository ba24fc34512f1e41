"""What a check finds around it, as a value, and the arguments of bubblewrap that make it so."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from posixpath import normpath
from shutil import which
from typing import Literal

from msgspec import Struct, field

from gatekeeper import process
from gatekeeper.errors import GateError

Kind = Literal["bubblewrap", "none"]

MIB = 1 << 20
GIB = 1 << 30
NOBODY = "65534"
DNS = "10.0.2.3"
"""Where slirp4netns answers for this machine's own resolver."""

_ETC = (
    *("alternatives", "ca-certificates", "ssl/certs", "ssl/openssl.cnf", "pki/ca-trust", "pki/tls/certs"),
    *("pki/tls/openssl.cnf", "crypto-policies", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime"),
    *("mime.types", "protocols", "services"),
)
"""Never /etc/ssl whole: a Librarian that is root could read the private keys in it."""
_PROC = ("sys", "sysrq-trigger", "bus", "irq", "fs", "acpi", "scsi", "mtrr")
"""Writable by user id 0 without any capability, which a box of root's has outside: core_pattern runs programs."""
WRITTEN = {
    "/etc/passwd": f"root:x:0:0:root:/root:/bin/sh\ncheck:x:{NOBODY}:{NOBODY}:check:/tmp:/bin/sh\n",
    "/etc/group": f"root:x:0:\ncheck:x:{NOBODY}:\n",
    "/etc/hosts": "127.0.0.1 localhost gate-check\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "/etc/resolv.conf": f"nameserver {DNS}\n",
}
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Box(Struct, frozen=True, kw_only=True):
    """What a command sees and may use. `tree` is a throw-away folder that it finds at `at` and may change.

    There is no cache that lives from run to run: a tree's own .npmrc can name a program that npm runs even with
    `--ignore-scripts`, and what one request put into a shared cache would be in the next one's build.
    """

    tree: Path
    at: str = "/work"
    cwd: str = "."
    env: Mapping[str, str] = field(default_factory=dict)
    read_only: tuple[str, ...] = ()
    """More of this machine, absolute; a `bin` in it comes first on PATH."""
    scratch: tuple[str, ...] = ()
    """Folders, absolute, that are there empty and writable, in memory."""
    frozen: bool = False
    """The tree is read-only, apart from `scratch`, as a release is."""
    network: bool = False
    kind: Kind = "bubblewrap"
    memory: int = 2 * GIB
    processes: int = 512
    file_size: int = 2 * GIB
    disk: int = 2 * GIB
    tmp: int = GIB
    """Bytes of /tmp, which is HOME too; they count as memory."""


class Wires(Struct, frozen=True):
    """What bwrap is given: where it reports, what it waits for, the small files it writes by path, as descriptors."""

    status: int
    info: int
    block: int | None
    files: Mapping[str, int]
    lent: Mapping[str, str] = field(default_factory=dict)
    """Where bwrap finds what `Box` names, when that is elsewhere."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them."""
        return (self.status, self.info, *((self.block,) if self.block is not None else ()), *self.files.values())


class System(Struct, frozen=True):
    """The bubblewrap of this machine, whether it can bar further user namespaces, and what boxes have at their root."""

    bwrap: str
    bars_userns: bool
    links: tuple[tuple[str, str], ...]
    folders: tuple[str, ...]


def arguments(box: Box, wires: Wires, system: System) -> tuple[str, ...]:
    """Return the arguments of bwrap for `box`; they travel over a descriptor, so that no `ps` shows the environment."""
    return (
        *("--unshare-all", "--unshare-user", *(("--disable-userns",) if system.bars_userns else ())),
        *("--die-with-parent", "--as-pid-1", "--clearenv", "--cap-drop", "ALL"),
        *("--uid", NOBODY, "--gid", NOBODY, "--hostname", "gate-check"),
        *("--json-status-fd", str(wires.status), "--info-fd", str(wires.info)),
        *(("--block-fd", str(wires.block)) if wires.block is not None else ()),
        *_system_mounts(box, wires, system),
        *_tree_mounts(box, wires),
        *("--remount-ro", "/", "--chdir", normpath(f"{box.at}/{box.cwd}")),
        *(word for name, value in environment(box).items() for word in ("--setenv", name, value)),
    )


def environment(box: Box) -> dict[str, str]:
    """Return the whole environment of the command: nothing of this process's own, `box.env` last."""
    own = [path if path.endswith("/bin") else f"{path}/bin" for path in box.read_only]
    return {
        "PATH": ":".join((*own, PROGRAMS)),
        "HOME": "/tmp",  # noqa: S108 - the box's own
        "TMPDIR": "/tmp",  # noqa: S108
        "USER": "check",
        "LOGNAME": "check",
        "LANG": "C.UTF-8",
        **box.env,
    }


def _system_mounts(box: Box, wires: Wires, system: System) -> tuple[str, ...]:
    """Mount what every box holds. /dev and / are read-only, or they would be memory without a bound."""
    return (
        *("--ro-bind", "/usr", "/usr"),
        *(word for name, target in system.links for word in ("--symlink", target, name)),
        *(word for name in system.folders for word in ("--ro-bind", name, name)),
        *(word for name in _ETC for word in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")),
        *(word for path, fd in wires.files.items() for word in ("--file", str(fd), path)),
        *("--proc", "/proc", "--dev", "/dev"),
        *(word for name in _PROC for word in ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")),
        *("--size", str(box.tmp), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),  # noqa: S108
        *("--size", str(box.tmp), "--tmpfs", "/tmp"),  # noqa: S108
        *(word for path in box.read_only for word in ("--ro-bind", wires.lent.get(path, path), path)),
    )


def _tree_mounts(box: Box, wires: Wires) -> tuple[str, ...]:
    """Mount the tree; scratch folders are made in it first, which a read-only one would refuse."""
    return (
        *("--bind", wires.lent.get(str(box.tree), str(box.tree)), box.at),
        *(word for path in box.scratch for word in ("--size", str(box.tmp), "--tmpfs", path)),
        *(("--remount-ro", box.at) if box.frozen else ()),
    )


def system() -> System:
    """Look at this machine. GateError 505 when bwrap is missing or too old to bound its memory."""
    bwrap = which("bwrap", path=process.clean_environment().get("PATH"))
    if bwrap is None:
        raise broken("bubblewrap is not installed")
    file = Path(bwrap).stat()
    return _system(bwrap, (file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns))


@cache
def _system(bwrap: str, _file: tuple[int, ...]) -> System:
    """Ask once what this very file can do; one that is replaced is asked anew."""
    known = process.run((bwrap, "--help"), merge=True).text
    if "--size" not in known or "--json-status-fd" not in known:
        raise broken("this bubblewrap is too old; 0.8 has all that is needed")
    roots = [Path(f"/{name}") for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32")]
    return System(
        bwrap=str(Path(bwrap).resolve()),
        bars_userns="--disable-userns" in known,
        links=tuple((str(root), str(root.readlink())) for root in roots if root.is_symlink()),
        folders=tuple(str(root) for root in roots if root.is_dir() and not root.is_symlink()),
    )


def broken(why: str) -> GateError:
    """Return the error of a sandbox that cannot be made: the gate's trouble, no verdict on the code."""
    return GateError(
        f"The sandbox cannot be made: {why}. Nothing is verified without it.",
        code="GATE-505",
        hints=("apt-get install bubblewrap util-linux", "gatekeeper tick"),
    )
