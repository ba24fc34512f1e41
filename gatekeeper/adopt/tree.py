"""Where a running site lies in `release`, and what of the running folder `release` does not hold. Pure."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from gatekeeper.adopt.theirs import Theirs, relative

_MADE = frozenset(
    """node_modules .venv venv __pycache__ .next .nuxt .output .svelte-kit .turbo .parcel-cache .cache dist build out
    target coverage bower_components""".split()  # noqa: SIM905
)
_SCRATCH = frozenset({"tmp", "temp", "logs", "log", ".pm2", "pids", ".nyc_output"})
_ENV_FILES = (".env", ".env.local", ".env.production", ".env.production.local")
_IMPORT = re.compile(rb"""(?:\brequire\s*\(|\bfrom\s|\bimport\s*\(?)\s*['"](\.\.?/[^'"\n]{1,200})['"]""")
_SOURCES = (".js", ".mjs", ".cjs", ".ts", ".mts", ".jsx", ".tsx")
_MOST = 20
"""Files and folders beside the code that a site may keep: more of them are no folders of data."""


class Source(Struct, frozen=True):
    """A repository that `init` made `release` of: the folder it stood in, and where it lies in the tree."""

    folder: str
    below: str


class Beside(Struct, frozen=True):
    """What lies in a running folder and not in `release`, by what it must be."""

    kept: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Those of `kept` that are no folders."""
    made: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    too_many: bool = False


def place_of(site: Theirs, files: Mapping[str, str], sources: Sequence[Source]) -> str | None:
    """Return the path of the tree that a site runs from: by the repository, by its name, by the end of its folder."""
    script = relative(site.script, site.cwd) or ""
    candidates = [
        posixpath.normpath(posixpath.join(source.below, below))
        for source in sources
        if (below := relative(site.cwd, source.folder)) is not None
    ]
    candidates += [f"sites/{site.name}"]
    parts = PurePosixPath(site.cwd).parts[1:]
    candidates += ["/".join(parts[at:]) for at in range(len(parts))]
    candidates += ["."]
    there = (one for one in candidates if _holds(one, script, files))
    return next(there, None)


def below(path: str, files: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the tree in `path`, relative to it."""
    if path == ".":
        return dict(files)
    return {name[len(path) + 1 :]: oid for name, oid in files.items() if name.startswith(f"{path}/")}


def sorted_out(extra: Iterable[Sequence[Any]], script: str) -> Beside:
    """Say of each thing beside the code whether the site keeps it, a build made it, or it is scratch or settings."""
    kept, files, made, scratch, env_files = list[str](), list[str](), list[str](), list[str](), list[str]()
    for path, is_folder in extra:
        name = path.rpartition("/")[2]
        if path in _ENV_FILES:
            env_files.append(path)
        elif name in _MADE or path == script:
            made.append(path)
        elif name in _SCRATCH or name.endswith((".log", ".pid", ".swp", "~", ".tsbuildinfo")):
            scratch.append(path)
        else:
            kept.append(path)
            files += [] if is_folder else [path]
    if len(kept) > _MOST:
        return Beside((), (), tuple(made), tuple(scratch), tuple(env_files), too_many=True)
    return Beside(tuple(kept), tuple(files), tuple(made), tuple(scratch), tuple(env_files))


def shared(path: str, files: Mapping[str, str], read: Callable[[str], bytes]) -> tuple[str, ...]:
    """Return what of the tree outside `path` its code imports, each as the topmost folder that is not above `path`."""
    if path == ".":
        return ()
    code = (name for name in files if name.startswith(f"{path}/") and name.endswith(_SOURCES))
    targets = {target for name in code for target in _imports(name, read(files[name]))}
    outside = {target for target in targets if not f"{target}/".startswith(f"{path}/") and not target.startswith("..")}
    return tuple(sorted({top for target in outside if (top := _top(target, path, files))}))


def locks(path: str, files: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders, from a site's up to the top, in which npm has a lock file."""
    folder = "" if path == "." else path
    while True:
        if f"{folder}/package-lock.json".lstrip("/") in files:
            yield folder or "."
        if not folder:
            return
        folder = folder.rpartition("/")[0]


def manifests(folder: str, files: Mapping[str, str]) -> tuple[str, ...]:
    """Return what `npm ci` reads in a folder: its own files, and the package.json of each workspace in it."""
    inside = below(folder, files)
    names = [
        name for name in inside if name.rpartition("/")[2] == "package.json" or name in ("package-lock.json", ".npmrc")
    ]
    return tuple(sorted(name if folder == "." else f"{folder}/{name}" for name in names))


def _holds(path: str, script: str, files: Mapping[str, str]) -> bool:
    if script and (script if path == "." else f"{path}/{script}") in files:
        return True
    made = any(part in _MADE for part in script.split("/"))  # what a build makes is not in the tree
    return made and path != "." and any(name.startswith(f"{path}/") for name in files)


def _imports(name: str, content: bytes) -> Iterator[str]:
    folder = name.rpartition("/")[0]
    for found in _IMPORT.findall(content):
        yield posixpath.normpath(posixpath.join(folder, found.decode("utf-8", "replace")))


def _top(target: str, path: str, files: Mapping[str, str]) -> str | None:
    parts = target.split("/")
    for size in range(1, len(parts) + 1):
        top = "/".join(parts[:size])
        if not f"{path}/".startswith(f"{top}/"):
            known = any(name == top or name.startswith((f"{top}/", f"{top}.")) for name in files)
            exact = next((name for name in files if name == top or name.startswith(f"{top}/")), None)
            return (
                top if exact else next((n for n in sorted(files) if n.startswith(f"{top}.")), None) if known else None
            )
    return None
