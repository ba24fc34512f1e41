"""Everything that the doctor looks for, each with the sentence that stands there when nothing is found. Pure.

In the order in which things are put right: what a later remedy needs comes first.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from gatekeeper.doctor import cluster, machine, people, places
from gatekeeper.doctor.finding import Facts, Finding, Level


class Check(Struct, frozen=True):
    """One thing that is looked for: what it is about, what is said when nothing is found, and where it applies."""

    about: str
    well: str
    find: Callable[[Facts], Iterator[Finding]]
    applies: Callable[[Facts], bool] = lambda _: True


def _set_up(facts: Facts) -> bool:
    return facts.set_up is not None


def _agents_with_users(facts: Facts) -> bool:
    return any(agent.unix_user for agent in facts.config.agents.values())


def _pulled(facts: Facts) -> bool:
    return facts.config.gate.ship == "external"


CHECKS: tuple[Check, ...] = (
    Check("set-up", "The set-up is enforced, and all of it is as setup made it.", machine.set_up),
    Check("configuration", "sites.toml is valid.", places.configuration),
    Check("programs", "All programs are there.", machine.programs),
    Check("sandbox", "The sandbox holds: its self-test reached nothing of this machine.", machine.sandbox),
    Check("cluster", "Workers can be asked, as far as the last heartbeat saw.", cluster.cluster, cluster.used),
    Check("modes", "Folders and files are open to those only who need them.", places.modes),
    Check("secrets", "Keys, env files and alert addresses are private.", places.secrets),
    Check("repository", "Hooks and settings of the repository are as this version writes them.", places.repository),
    Check("alerts", "Somebody is told when a person is needed.", places.alerts),
    Check("disk", "The disk has room.", places.disk),
    Check("librarian", "The Librarian runs, and its heartbeat is on time.", places.librarian),
    Check("sites", "Every site's steward can be reached.", places.stewards, lambda facts: bool(facts.stewards)),
    Check("hosts", "Every host answers, with this gatekeeper.", places.hosts, lambda facts: bool(facts.hosts)),
    Check("engine", "The engine that runs the sites is healthy, as it said last.", machine.engine, _pulled),
    Check("sockets", "No socket's path is too long.", places.sockets),
    Check("agents", "No agent's user is more than a user.", people.agents, _agents_with_users),
    Check("doors", "Every agent has a door.", people.doors),
    Check("doors", "The local door is open.", places.door, _set_up),
    Check("pm2", "No agent can reach a pm2 of somebody else's.", people.other_pm2, _agents_with_users),
    Check("kernel", "The kernel protects links.", machine.kernel),
)


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Return every finding, what is wrong first, then notes, then what is fine."""
    found = [finding for check in CHECKS if check.applies(facts) for finding in _one(check, facts)]
    return tuple(sorted(found, key=lambda finding: list(Level).index(finding.level)))


def _one(check: Check, facts: Facts) -> tuple[Finding, ...]:
    return tuple(check.find(facts)) or (Finding(Level.FINE, check.about, check.well),)
