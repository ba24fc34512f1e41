"""What the doctor says of the machine: programs, sandbox, kernel. Pure."""

import re
from collections.abc import Iterator

from gatekeeper.doctor.finding import Facts, Finding, Level
from gatekeeper.repo.git import OLDEST as OLDEST_GIT
from gatekeeper.sites.pm2 import OLDEST as OLDEST_PM2

_KERNEL = {
    "fs.protected_symlinks": "links in /tmp lead other users' programs astray",
    "fs.protected_hardlinks": "users can link files that are not theirs",
}
_UPGRADES = {"pm2": "npm install --global pm2@latest", "git": "apt-get install git", "node": "apt-get install nodejs"}


def set_up(facts: Facts) -> Iterator[Finding]:
    """Which of the two set-ups it is, and why."""
    if facts.set_up is None:
        text = f"The set-up is advisory: it stops mistakes, not intent. {facts.shortfalls[0]}"
        yield Finding(Level.NOTE, "set-up", text, f"{facts.command('setup')}   (prints what it would take)")
        return
    named = "" if facts.set_up == "gate" else f" --name {facts.set_up}"
    apply = f"sudo {facts.command(f'setup{named} --apply')}"
    for reason in facts.shortfalls:
        yield Finding(Level.WRONG, "set-up", f"It was set up as enforced and is advisory now. {reason}", apply)
    for thing in facts.todo:
        yield Finding(Level.WRONG, "set-up", f"Not as setup made it: {thing}.", apply)


def programs(facts: Facts) -> Iterator[Finding]:
    """What must be installed, and new enough."""
    found = tuple(_programs(facts))
    told = ", ".join(f"{name} {said}" for name, said in sorted(facts.programs.versions.items()) if said)
    yield from found or (Finding(Level.FINE, "programs", f"All programs are there, and new enough: {told}."),)


def _programs(facts: Facts) -> Iterator[Finding]:
    wanted = set(facts.programs.missing)
    if not any(build.network for build in facts.config.builds):
        wanted.discard("slirp4netns")
    if facts.set_up is None:
        wanted -= {"uidmap", "passwd"}
    if facts.config.verify.sandbox == "none":
        wanted.discard("bubblewrap")
    if wanted:
        names = " ".join(sorted(wanted))
        yield Finding(Level.WRONG, "programs", f"Missing: {names}.", f"apt-get install --no-install-recommends {names}")
    processes = any(site.mode != "static" for site in facts.config.sites.values())
    needed = [("git", OLDEST_GIT), *([("node", ())] if processes else [])]
    needed += [("pm2", OLDEST_PM2)] if processes and facts.config.gate.ship == "pm2" else []
    for name, oldest in needed:
        yield from _version(name, facts.programs.versions.get(name), oldest)


def engine(facts: Facts) -> Iterator[Finding]:
    """Whether the sites run what `release` says, as far as whoever runs them has said."""
    if facts.engine is not None:
        fix = "Look at the engine; the Librarian asks it again at each heartbeat."
        yield Finding(Level.WRONG, "engine", f"The sites run elsewhere, and {facts.engine}.", fix)


def sandbox(facts: Facts) -> Iterator[Finding]:
    """Whether checks are kept in."""
    if facts.config.verify.sandbox == "none":
        text = "Checks run without a sandbox: what agents push runs as the Librarian. Every verdict records it."
        yield Finding(Level.NOTE, "sandbox", text, 'In [verify]: sandbox = "bubblewrap"')
    elif facts.programs.sandbox:
        fix = "apt-get install --no-install-recommends bubblewrap uidmap util-linux"
        yield Finding(Level.WRONG, "sandbox", facts.programs.sandbox, fix)
    elif not facts.programs.own_users:
        level, text = Level.WRONG if facts.set_up else Level.NOTE, "Checks run as the Librarian's own Unix user."
        fix = f"apt-get install --no-install-recommends uidmap && sudo {facts.command('setup --apply')}"
        yield Finding(level, "sandbox", f"{text} It has no sub-ids that newuidmap takes.", fix)


def kernel(facts: Facts) -> Iterator[Finding]:
    """Settings that keep users of one machine apart."""
    level = Level.WRONG if facts.set_up else Level.NOTE
    for name, why in _KERNEL.items():
        if facts.kernel.get(name) == "0":
            yield Finding(level, "kernel", f"{name} is 0: {why}.", f"sysctl -w {name}=1")


def _version(name: str, told: str | None, oldest: tuple[int, ...]) -> Iterator[Finding]:
    if told is None:
        yield Finding(Level.WRONG, "programs", f"{name} is not there, or does not run.", _UPGRADES[name])
        return
    found = tuple(int(part) for part in re.findall(r"\d+", told)[: len(oldest)])
    if found < oldest:
        needed = ".".join(map(str, oldest))
        yield Finding(Level.WRONG, "programs", f"{name} is {told}; {needed} or newer is needed.", _UPGRADES[name])
