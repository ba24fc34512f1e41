"""What a foreign pm2 says of the sites that it runs, taken apart. Pure: looks at its list, touches nothing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from gatekeeper.adopt.variables import Variables, split

_OTHERWISE = {
    "watch": "restarts it when files change",
    "cron_restart": "restarts it by the clock",
    "shutdown_with_message": "ends it with a message",
    "exp_backoff_restart_delay": "waits longer before each restart",
}
"""What pm2 does on wishes that a gate has no word for."""


class Theirs(Struct, frozen=True):
    """One site of theirs: all of pm2's processes of one name. `called` is pm2's word, `name` the gate's."""

    name: str
    called: str
    ids: tuple[int, ...]
    pids: tuple[int, ...]
    cwd: str
    script: str
    mode: str
    instances: int
    args: tuple[str, ...]
    node_args: tuple[str, ...]
    interpreter: str | None
    wait_ready: bool
    kill_timeout: float | None
    listen_timeout: float | None
    max_memory_restart: int | None
    variables: Variables
    node: str
    running: bool
    remarks: tuple[str, ...] = ()


def take_apart(entries: Iterable[Mapping[str, Any]], shell: Mapping[str, str]) -> tuple[list[Theirs], list[str]]:
    """Return the sites in the order of pm2's list, and a sentence for each entry that is none."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    passed_over, found = list[str](), dict[str, Theirs]()
    for entry in entries:
        if _env(entry).get("pmx_module"):
            passed_over.append(f"{entry['name']} is a module of pm2's own.")
        else:
            groups.setdefault(str(entry["name"]), []).append(entry)
    for called, group in groups.items():
        name = _name(called)
        programs = {(_env(one).get("pm_exec_path"), _env(one).get("pm_cwd")) for one in group}
        if len(programs) > 1:
            passed_over.append(f'{len(programs)} different programs are called "{called}" in pm2: rename all but one.')
        elif not name or name in found:
            passed_over.append(f'"{called}" cannot be the name of a site here, or is one already: rename it in pm2.')
        else:
            found[name] = _site(name, called, group, shell)
    return list(found.values()), passed_over


def _name(called: str) -> str:
    """Return the name as a gate may have it; pm2 allows any text."""
    return re.sub(r"[^a-z0-9]+", "-", called.casefold()).strip("-")[:64]


def _site(name: str, called: str, group: Sequence[Mapping[str, Any]], shell: Mapping[str, str]) -> Theirs:
    env = _env(group[0])
    cluster = env.get("exec_mode") == "cluster_mode"
    interpreter = str(env.get("exec_interpreter") or "node")
    kept = env.get("env") or {name: value for name, value in env.items() if name.isupper()}
    remarks = [f"pm2 {what} (`{key}`); the gate does not." for key, what in _OTHERWISE.items() if env.get(key)]
    if env.get("autorestart") is False:
        remarks.append("pm2 leaves it ended when it ends (`autorestart`); the gate's starts it again.")
    running = any(_env(one).get("status") in ("online", "launching") for one in group)
    if not running:
        remarks.append(
            f"it is {env.get('status') or 'not running'} in pm2; the gate will run it. Leave its section out if not."
        )
    return Theirs(
        name=name,
        called=called,
        ids=tuple(int(one["pm_id"]) for one in group if "pm_id" in one),
        pids=tuple(int(one["pid"]) for one in group if one.get("pid")),
        cwd=str(env["pm_cwd"]),
        script=str(env["pm_exec_path"]),
        mode="cluster" if cluster else "fork",
        instances=len(group),
        args=_words(env.get("args")),
        node_args=_words(env.get("node_args")),
        interpreter=None if interpreter == "node" else interpreter,
        wait_ready=bool(env.get("wait_ready")),
        kill_timeout=_seconds(env.get("kill_timeout")),
        listen_timeout=_seconds(env.get("listen_timeout")),
        max_memory_restart=env.get("max_memory_restart") if isinstance(env.get("max_memory_restart"), int) else None,
        variables=split(kept, app=called, shell=shell),
        node=str(env.get("node_version") or ""),
        running=running,
        remarks=tuple(remarks),
    )


def relative(path: str, folder: str) -> str | None:
    """Return `path` below `folder`, None when it lies elsewhere."""
    one, other = PurePosixPath(path), PurePosixPath(folder)
    return str(one.relative_to(other)) if one.is_relative_to(other) else None


def _env(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an entry's record; those of dump.pm2 are the record itself."""
    return entry.get("pm2_env", entry)  # type: ignore[no-any-return]


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _seconds(milliseconds: Any) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int) and milliseconds > 0 else None
