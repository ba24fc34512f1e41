"""Everything that the doctor looks for, each with the sentence that stands there when nothing is found. Pure.

In the order in which things are put right: what a later remedy needs comes first.
"""

from collections.abc import Callable, Iterator

from gatekeeper.doctor import machine, people, places
from gatekeeper.doctor.finding import Facts, Finding, Level

Check = Callable[[Facts], Iterator[Finding]]

CHECKS: tuple[tuple[str, str, Check], ...] = (
    ("set-up", "The set-up is enforced, and all of it is as setup made it.", machine.set_up),
    ("configuration", "sites.toml is valid.", places.configuration),
    ("programs", "All programs are there.", machine.programs),
    ("sandbox", "The sandbox holds: its self-test reached nothing of this machine.", machine.sandbox),
    ("modes", "Folders and files are open to those only who need them.", places.modes),
    ("secrets", "Keys, env files and alert addresses are private.", places.secrets),
    ("repository", "Hooks and settings of the repository are as this version writes them.", places.repository),
    ("alerts", "Somebody is told when a person is needed.", places.alerts),
    ("disk", "The disk has room.", places.disk),
    ("librarian", "The Librarian runs, and its heartbeat is on time.", places.librarian),
    ("sites", "Every site's steward can be reached.", places.stewards),
    ("sockets", "No socket's path is too long.", places.sockets),
    ("agents", "No agent's user is more than a user.", people.agents),
    ("doors", "Every agent has a door.", people.doors),
    ("doors", "The local door is open.", places.door),
    ("pm2", "No agent can reach a pm2 of somebody else's.", people.other_pm2),
    ("kernel", "The kernel protects links.", machine.kernel),
)


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Return every finding, what is wrong first, then notes, then what is fine."""
    found = [finding for about, well, check in CHECKS for finding in _one(facts, about, well, check)]
    return tuple(sorted(found, key=lambda finding: list(Level).index(finding.level)))


def _one(facts: Facts, about: str, well: str, check: Check) -> tuple[Finding, ...]:
    return tuple(check(facts)) or (Finding(Level.FINE, about, well),)
