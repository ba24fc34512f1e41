"""What the doctor says of the gate's own folders, files and processes. Pure."""

import stat
from collections.abc import Iterator
from pathlib import Path

from gatekeeper.doctor.finding import Facts, Finding, Level
from gatekeeper.setup.wishes import own_users, site_folder

_LONGEST_SOCKET = 107
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_LATE = 120.0
"""Seconds that a heartbeat may be overdue: one step of the one before may be long."""
_AHEAD = 60.0


def configuration(facts: Facts) -> Iterator[Finding]:
    """Whether sites.toml counts."""
    if facts.config_problem:
        before = "so the last valid one is in force" if facts.config.sites else "and none was before it: nothing ships"
        text = f"sites.toml is not valid, {before}."
        yield Finding(Level.WRONG, "configuration", text, facts.command("config check"))


def repository(facts: Facts) -> Iterator[Finding]:
    """Hooks and settings, which nobody but this program writes."""
    repair = facts.command('repair --message "looked at it"')
    for difference in facts.hooks:
        yield Finding(Level.WRONG, "repository", f"Hooks: {difference}.", repair)
    for name in facts.settings:
        yield Finding(Level.WRONG, "repository", f"The repository's setting {name} was changed.", repair)


def modes(facts: Facts) -> Iterator[Finding]:
    """Who may look into what, and write it."""
    home = facts.home
    for path in (home.repo, home.var, home.key.parent):
        yield from _closed(facts, path, _OTHERS, "go-rwx")
    for path in (home.path, home.sites_toml, home.www, home.releases.parent):
        yield from _closed(facts, path, _OTHERS_WRITE, "go-w")
    for path, seen in facts.above.items():
        if seen.mode & _OTHERS_WRITE and not seen.mode & stat.S_ISVTX:
            text = f"Others may write to {path}, and so move the gate away."
            yield Finding(Level.WRONG, "modes", text, f"chmod go-w {path}")
    shown = facts.seen.get(home.www)
    if shown and not shown.mode & stat.S_IXOTH:
        yield Finding(Level.NOTE, "modes", f"No web server can read {home.www}.", f"chmod 0755 {home.www}")


def secrets(facts: Facts) -> Iterator[Finding]:
    """Files that hold keys and tokens."""
    files = [facts.home.key, facts.home.path / facts.config.gate.alerts_file]
    files += [facts.home.path / site.env_file for site in facts.config.sites.values() if site.env_file]
    files += [facts.home.path / key for key in (facts.config.verify.tls_key,) if key]
    for path in dict.fromkeys(files):
        yield from _closed(facts, path, _OTHERS, "0600")
    if facts.home.key not in facts.seen:
        text = "The Librarian's signing key is gone: nothing can be recorded, so nothing ships."
        yield Finding(
            Level.WRONG, "secrets", text, f"put it back from a backup: DIR/files/keys, to {facts.home.key.parent}"
        )
    for name, site in facts.config.sites.items():
        if site.env_file and facts.home.path / site.env_file not in facts.seen:
            path = facts.home.path / site.env_file
            yield Finding(
                Level.WRONG,
                "secrets",
                f'The env_file of site "{name}" is not there.',
                f"install -m 0600 /dev/null {path}",
            )


def alerts(facts: Facts) -> Iterator[Finding]:
    """Whether anybody hears of what needs a person."""
    path, trial = facts.home.path / facts.config.gate.alerts_file, facts.command("alert test")
    for problem in facts.alert_problems:
        yield Finding(Level.WRONG, "alerts", f"{problem} The line is left out.", f"editor {path}   (then: {trial})")
    if not facts.addressees:
        there = f"no address in {path} is used" if path in facts.seen else f"there is no {path}"
        text = f"Nobody is told when something needs a person: {there}."
        fix = f"install -m 0600 /dev/stdin {path}   (an Apprise address a line; then: {trial})"
        yield Finding(Level.NOTE, "alerts", text, fix)


def disk(facts: Facts) -> Iterator[Finding]:
    """Room for a ship."""
    needed = facts.config.limits.free_disk
    if facts.free < needed:
        text = f"{facts.free >> 20} MiB are free, fewer than limits.free_disk ({needed >> 20} MiB): nothing ships."
        yield Finding(Level.WRONG, "disk", text, f"du -xh --max-depth=2 {facts.home.path} | sort -h | tail")
    if (taken := facts.space) is None:
        return
    parts = f"releases {_gib(taken.releases)}, builds {_gib(taken.builds)}, logs {_gib(taken.logs)}"
    if taken.used > (most := facts.config.limits.max_disk):
        text = f"What is in use takes {_gib(taken.used)} ({parts}), more than limits.max_disk ({_gib(most)})."
        yield Finding(Level.NOTE, "disk", text, "In [limits]: a larger max_disk")
    elif facts.free >= needed:
        text = f"The disk has room: {_gib(facts.free)} free; {_gib(taken.used)} of {_gib(most)} taken ({parts})."
        yield Finding(Level.FINE, "disk", text)


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"


def librarian(facts: Facts) -> Iterator[Finding]:
    """Whether the Librarian runs, and comes to its heartbeats."""
    running, start = facts.librarian, _restart(facts, "", "run")
    if running is None:
        level = Level.WRONG if facts.set_up else Level.NOTE
        yield Finding(level, "librarian", "No Librarian runs: requests are filed, and nothing ships.", start)
    elif running.uid != facts.owner_uid:
        text = f"The Librarian (process {running.pid}) does not run as the owner of the gate."
        yield Finding(Level.WRONG, "librarian", text, f"kill {running.pid}   (then: {start})")
    elif facts.next_beat is not None and facts.now > facts.next_beat + _LATE:
        minutes = (facts.now - facts.next_beat) / 60
        text = f"The heartbeat is {minutes:.0f} minutes late (GATE-506)."
        yield Finding(Level.WRONG, "librarian", text, start)
    if facts.last_beat is not None and facts.last_beat > facts.now + _AHEAD:
        text = "The last heartbeat lies in the future: the clock was set back."
        yield Finding(Level.WRONG, "clock", text, "timedatectl set-ntp true")


def stewards(facts: Facts) -> Iterator[Finding]:
    """Sites with users of their own, whose stewards the Librarian ships through."""
    for site, problem in facts.stewards.items():
        if problem:
            fix = _restart(facts, f"-site-{site}", f"steward {site}")
            yield Finding(Level.WRONG, "sites", f'The steward of site "{site}" cannot be reached: {problem}.', fix)


def hosts(facts: Facts) -> Iterator[Finding]:
    """Hosts that run sites, through which the Librarian ships; one that is lost stops every ship."""
    for name, problem in facts.hosts.items():
        if problem:
            yield Finding(Level.WRONG, "hosts", problem, facts.command(f"host add {name}"))


def door(facts: Facts) -> Iterator[Finding]:
    """Whether the local door is open, where agents have no other."""
    if facts.door:
        fix = _restart(facts, "-door", "socket")
        yield Finding(Level.WRONG, "doors", f"Nobody opens the local door: {facts.door}.", fix)


def sockets(facts: Facts) -> Iterator[Finding]:
    """Paths that are too long for a socket."""
    home = facts.home
    paths = [home.door, home.gate_socket, home.path / facts.config.pm2.home / "rpc.sock"]
    for name in own_users(facts.config):
        folder = site_folder(home, name)
        paths += [folder / "steward.sock", folder / "pm2" / "rpc.sock"]
    for path in paths:
        if len(str(path).encode()) > _LONGEST_SOCKET:
            text = f"{path} is longer than a socket's path can be ({_LONGEST_SOCKET} bytes)."
            yield Finding(Level.WRONG, "sockets", text, "Move the gate to a shorter path.")


def _restart(facts: Facts, unit: str, words: str) -> str:
    """Return what starts one of the gate's programs, by whatever starts them here."""
    if facts.set_up is None:
        return facts.command(words)
    named = f"systemctl restart gatekeeper-{facts.set_up}{unit}.service"
    return named if facts.systemd else f"{facts.command('setup')}   (prints how `{words}` is started)"


def _closed(facts: Facts, path: Path, bits: int, mode: str) -> Iterator[Finding]:
    seen = facts.seen.get(path)
    if seen is None or seen.link:
        return
    if seen.mode & bits:
        text = f"{path} is open to other users (mode {seen.mode:04o})."
        yield Finding(Level.WRONG, "modes", text, f"chmod {mode} {path}")
    if seen.uid != facts.owner_uid:
        owner = facts.owner_uid
        yield Finding(
            Level.WRONG, "modes", f"{path} does not belong to the owner of the gate.", f"chown {owner}:{owner} {path}"
        )
