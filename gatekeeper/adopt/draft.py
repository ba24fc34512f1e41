"""Drafts the section of sites.toml for each site of theirs, and says what it could not know. Changes nothing."""

import re
import shlex
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from gatekeeper.adopt import hearing, tree
from gatekeeper.adopt.hearing import Heard
from gatekeeper.adopt.old import Old
from gatekeeper.adopt.theirs import Theirs, relative, take_apart
from gatekeeper.adopt.tree import Beside, Source
from gatekeeper.adopt.variables import placeholder
from gatekeeper.config.schema import Build, Health, Site
from gatekeeper.repo.git import Git
from gatekeeper.ship.runs import variables

_FORK_ONLY = ("python", "ruby", "php", "perl", "bash", "sh", "none")
_LONGEST = 3600.0
_NPM = re.compile(r"(?:^|/)(?:npm|npm-cli\.js)$")


class Draft(Struct, frozen=True):
    """One site as the gate is to run it. `unsure` are sentences: what could not be known, and must be looked at."""

    theirs: Theirs
    site: Site
    secrets: Mapping[str, str]
    heard: Heard
    beside: Beside
    builds: tuple[Build, ...] = ()
    differs: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


class Drafts(Struct, frozen=True):
    """All of them, who has that pm2, and what in it is no site."""

    drafts: tuple[Draft, ...]
    user: str
    running: bool
    passed_over: tuple[str, ...]


class _Notes(Struct):
    """What is found out about one site on the way."""

    unsure: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.unsure.append(text)


def drafts(old: Old, git: Git, release: str, sources: Sequence[Source]) -> Drafts:
    """Look at everything that runs there and draft it all. GateError when that pm2 cannot be read."""
    seen = old.look()
    sites, passed_over = take_apart(seen["entries"], seen["shell"])
    heard = {pid: [(one[0], one[1]) for one in there] for pid, there in seen["heard"]}
    ports = hearing.ports_of(sites, heard, [(one[0], one[1]) for one in seen["shared"]])
    files = {entry.path: str(entry.oid) for entry in git.entries(git.tree_of(git.resolve(release)), deep=True)}  # type: ignore[arg-type]
    made = tuple(_draft(one, old, git, files, sources, ports.get(one.name)) for one in sites)
    return Drafts(made, seen["user"], bool(seen["daemon"]), tuple(passed_over))


def _draft(
    theirs: Theirs,
    old: Old,
    git: Git,
    files: Mapping[str, str],
    sources: Sequence[Source],
    port: tuple[str, int] | None,
) -> Draft:
    notes = _Notes(list(theirs.remarks))
    path = tree.place_of(theirs, files, sources)
    if path is None:
        notes.say(f"where {theirs.cwd} lies in `release`: `path` names nothing that is there, so it is not taken over.")
    inside = tree.below(path, files) if path else {}
    script, args = _script(theirs, old, notes)
    found = old.compare(theirs.cwd, inside) if inside else {"differs": [], "missing": [], "extra": []}
    beside = tree.sorted_out(found["extra"], script)
    builds = _builds(path, files, beside, notes)
    secrets = _secrets(theirs, old, beside, notes)
    heard = _heard(port, notes)
    _say_beside(theirs, beside, notes)
    site = Site(
        path=path or f"sites/{theirs.name}",
        uses=_uses(path, files, git, builds),
        script=script,
        args=args,
        node_args=theirs.node_args,
        interpreter=_interpreter(theirs),
        mode="cluster" if theirs.mode == "cluster" else "fork",
        instances=theirs.instances,
        wait_ready=theirs.wait_ready,
        kill_timeout=min(theirs.kill_timeout or 1.6, _LONGEST),
        listen_timeout=min(theirs.listen_timeout or 3.0, _LONGEST),
        max_memory_restart=theirs.max_memory_restart,
        env=dict(theirs.variables.plain),
        env_file=f"var/env/{theirs.name}" if secrets else None,
        boot_env={name: placeholder(value) for name, value in secrets.items()},
        boot_check=not beside.files,
        data=beside.kept,
        writable=(".next/cache",) if ".next" in beside.made else (),
        health=Health(url=heard.url, status=(heard.status,) if heard.status else ()) if heard.url else None,
    )
    differs = tuple(sorted([*found["differs"], *(f"{name} (not there)" for name in found["missing"])]))
    return Draft(theirs, site, secrets, heard, beside, builds, differs, tuple(notes.unsure))


def _script(theirs: Theirs, old: Old, notes: _Notes) -> tuple[str, tuple[str, ...]]:
    """Return script and arguments; `npm start` is looked through, as pm2 would signal npm and not the site."""
    if _NPM.search(theirs.script):
        told = _npm_script(theirs, old)
        if told is None:
            notes.say(f"what `npm {' '.join(theirs.args)}` starts: name the program itself as `script`.")
            return "server.js", ()
        return told[0], tuple(told[1:])
    script = relative(theirs.script, theirs.cwd)
    if script is None:
        notes.say(f"its script, {theirs.script}, lies outside its folder: name one in `release`.")
        return theirs.script.rpartition("/")[2] or "server.js", theirs.args
    return script, theirs.args


def _npm_script(theirs: Theirs, old: Old) -> list[str] | None:
    """Return the program and arguments of a package's script: `node FILE …`, or a program of node_modules."""
    name = theirs.args[1] if theirs.args[:1] == ("run",) else (theirs.args or ("",))[0]
    found = re.search(rf'"{re.escape(name)}"\s*:\s*"((?:[^"\\]|\\.)*)"', old.read(f"{theirs.cwd}/package.json") or "")
    try:
        words = shlex.split(found[1]) if found else []
    except ValueError:
        return None
    if not words or any(mark in word for word in words for mark in "&|;$<>"):
        return None
    extra = list(theirs.args[theirs.args.index("--") + 1 :]) if "--" in theirs.args else []
    program = words[1:] if words[0] == "node" else [f"node_modules/.bin/{words[0]}", *words[1:]]
    return [*program, *extra] if program and not program[0].startswith("-") else None


def _interpreter(theirs: Theirs) -> str | None:
    if theirs.interpreter is None:
        return None
    return relative(theirs.interpreter, theirs.cwd) or theirs.interpreter


def _secrets(theirs: Theirs, old: Old, beside: Beside, notes: _Notes) -> dict[str, str]:
    """Return what belongs into the env file: the secrets that pm2 kept, and those of a `.env`, which count less."""
    secrets = dict[str, str]()
    for name in beside.env_files:
        try:
            secrets |= variables(old.read(f"{theirs.cwd}/{name}") or "")
        except ValueError as problem:
            notes.say(f"{name}: {problem}; the rest of it was not read either.")
    for name in theirs.variables.unwritable:
        notes.say(f"{name} holds line breaks or outer spaces, which an env file cannot: the site starts without it.")
    return {**{k: v for k, v in secrets.items() if k not in theirs.variables.plain}, **theirs.variables.secret}


def _heard(port: tuple[str, int] | None, notes: _Notes) -> Heard:
    if port is None:
        notes.say(
            "its port and health address: nothing that listens is surely its own. Without `health` a start counts."
        )
        return Heard()
    heard = hearing.ask(hearing.host_of(port[0]), port[1])
    if heard.url is None:
        notes.say(f"its health address: port {port[1]} did not answer well at /health, /healthz or /.")
    elif heard.status is not None:
        notes.say(f"a better health address: {heard.url} answers {heard.status}, which now counts as well.")
    return heard


def _builds(path: str | None, files: Mapping[str, str], beside: Beside, notes: _Notes) -> tuple[Build, ...]:
    """Return `npm ci` for each lock file between the site and the top of the tree."""
    if path is None:
        return ()
    found = tuple(
        Build(
            name=f"{re.sub('[^A-Za-z0-9]+', '-', folder).strip('-') or 'top'}-deps",
            run=("npm", "ci", "--omit=dev"),
            paths=tree.manifests(folder, files),
            cwd=folder,
            outputs=("node_modules",),
            network=True,
        )
        for folder in tree.locks(path, files)
    )
    if "node_modules" in beside.made and not found:
        notes.say("how node_modules is made: there is no package-lock.json. Write a [[builds]] for it.")
    return found


def _uses(path: str | None, files: Mapping[str, str], git: Git, builds: Sequence[Build]) -> tuple[str, ...]:
    if path is None:
        return ()
    code = tree.shared(path, files, git.read)  # type: ignore[arg-type]
    above = {"node_modules" if one.cwd == "." else f"{one.cwd}/node_modules" for one in builds if one.cwd != path}
    return tuple(sorted({*code, *above}))


def _say_beside(theirs: Theirs, beside: Beside, notes: _Notes) -> None:
    made = [name for name in beside.made if name != "node_modules"]
    if made:
        notes.say(
            f"how {', '.join(made)} is made: it is not in `release`. Write a [[builds]] for it, with its outputs."
        )
    if beside.too_many:
        notes.say(
            f"what it keeps: {theirs.cwd} holds many files besides those of `release`. Name its folders as `data`."
        )
    if beside.files:
        names = ", ".join(beside.files)
        notes.say(
            f"{names} lies beside the code, where a boot check can have none: boot_check is off. A folder is better."
        )
    if theirs.mode == "fork" and not (theirs.interpreter or "").rpartition("/")[2].startswith(_FORK_ONLY):
        notes.say('whether it may run twice for a moment: then mode = "cluster" loses hardly a request at each ship.')
