"""Six sites on this machine, on one host and on three: push to live, skew, automatic rollback, the rollback command.

Run it as root, as `python -m benchmarks.hosts [--rounds 5]`. A host is a network namespace with its own sshd and pm2 on
the same two cores, so that what is compared is the protocol and not three machines' strength; a real network adds its
round trips. A program in each host asks its sites every few milliseconds, and notes when one says another version.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gatehouse import librarian, until
from hosts.machines import Farm, farm
from hosts.test_hosts import at

from gatekeeper.errors import GateError
from gatekeeper.hosts import line

SITES = ("shop", "shop-admin", "web", "api", "docs", "blog")
PLACES: Mapping[str, Mapping[str, str]] = {
    "this machine": {},
    "one host": dict.fromkeys(SITES, "web1"),
    "three hosts": {site: f"web{number % 3 + 1}" for number, site in enumerate(SITES)},
}
WATCH = """import http.client, json, sys, time
ports, last = json.loads(sys.argv[1]), {}
while True:
    for site, port in ports.items():
        try:
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            line.request("GET", "/")
            said = json.loads(line.getresponse().read())["version"]
            line.close()
        except (OSError, ValueError, http.client.HTTPException):
            continue
        if said != last.get(site):
            last[site] = said
            print(json.dumps([time.monotonic(), site, said]), flush=True)
    time.sleep(0.003)
"""
Seen = list[tuple[float, str, str]]


class Eyes:
    """What the watchers of all hosts have seen."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    def all(self) -> Seen:
        return sorted(
            (*json.loads(line),) for file in self._files for line in file.read_text().splitlines() if line[-1] == "]"
        )

    def reached(self, version: str, since: float) -> dict[str, float]:
        """Return when each site first said a version after an instant."""
        found: dict[str, float] = {}
        for moment, site, said in self.all():
            if said == version and moment >= since:
                found.setdefault(site, moment)
        return found

    def wait(self, version: str, since: float) -> dict[str, float]:
        """Wait until every site says a version."""
        deadline = time.monotonic() + 60
        while len(found := self.reached(version, since)) < len(SITES):
            assert time.monotonic() < deadline, (version, found, self.all()[-12:])
            time.sleep(0.01)
        return found


@contextmanager
def watched(hosts: Farm) -> Iterator[Eyes]:
    with ExitStack() as stack:
        files = []
        for host in sorted({*hosts.where.values()}) or [""]:
            mine = {site: hosts.gate.ports[site] for site in SITES if hosts.where.get(site, "") == host}
            argv = [sys.executable, "-S", "-c", WATCH, json.dumps(mine)]
            file = hosts.gate.root / f"seen-{host}"
            with file.open("wb") as sink:
                child = subprocess.Popen(hosts.machines[host].inside(*argv) if host else argv, stdout=sink)
            stack.callback(child.wait)
            stack.callback(child.kill)
            files.append(file)
        yield Eyes(files)


def measure(hosts: Farm, rounds: int) -> Iterator[tuple[str, float]]:
    """Yield each figure by its name, in seconds."""
    gate, clone = hosts.gate, hosts.gate.clone()
    with watched(hosts) as eyes, librarian(gate) as process:
        until(process, "runs; Ctrl-C stops it")
        for number in range(rounds + 2):
            was = gate.version
            began = time.monotonic()
            clone.request(f"round-{number}", {"sites/shop/page.txt": f"round {number % 2}\n"})
            until(process, f"; Do round-{number}")
            now = gate.version
            seen = eyes.wait(now, began)
            if number > 1:  # its tree was verified before
                yield "push -> live", max(seen.values()) - began
                yield "first to last site", max(seen.values()) - min(seen.values())
            began = time.monotonic()
            gate.cli("rollback", was, "-m", "measured", ok=True)
            seen = eyes.wait(gate.version, began)
            if number > 1:
                yield "rollback command", max(seen.values()) - began
        for number in range(rounds):
            _mood(hosts, "web", "bad")
            was, began = gate.version, time.monotonic()
            clone.request(f"bad-{number}", {"sites/web/page.txt": f"FAILS WHEN bad {number}\n"})
            until(process, "rolled back: site web")
            bad = next(said for moment, _, said in eyes.all() if moment >= began and said != was)
            went, back = eyes.reached(bad, began), eyes.wait(was, min(eyes.reached(bad, began).values()))
            yield (
                "automatic rollback: first site bad -> all back",
                max(back[site] for site in went) - min(went.values()),
            )
            _mood(hosts, "web", "good")
            clone.push(f":request/bad-{number}")


LOST = ("before web2: stage", "after web2: switch", "before web2: reload", "after web2: reload", "before web2: publish")


def losses(hosts: Farm) -> Iterator[tuple[str, str, str, str]]:
    """Cut web2 off at each step of a ship; yield the step, what is served then, when, and when all are one again."""
    gate, lost = hosts.gate, hosts.machines["web2"]
    gate.tick()
    for number, step in enumerate(LOST):
        before, cut = gate.version, [0.0]

        def act(cut: list[float] = cut) -> None:
            cut[0] = time.monotonic()
            lost.cut()

        gate.clone().request(f"lost-{number}", {"sites/shop/page.txt": f"lost {number}\n"})
        with at(step, act), suppress(GateError):
            gate.tick()
        others = {site: gate.ask(site)["version"] for site in SITES if hosts.where[site] != "web2"}
        settled = time.monotonic() - cut[0]
        version = gate.version
        hosts.until("web2", before)
        alone = time.monotonic() - cut[0]
        lost.mend()
        line.close_all()
        mended = time.monotonic()
        gate.tick()
        one = time.monotonic() - mended
        assert gate.versions() == {gate.version}
        was = "the old version" if version == before else "the new one"
        assert set(others.values()) == {version}
        yield step, f"{was}, after {settled:.1f} s", f"the old one, after {alone:.1f} s", f"{one:.1f} s"


def _mood(hosts: Farm, site: str, mood: str) -> None:
    hosts.mood(site, mood) if site in hosts.where else hosts.gate.mood(site, mood)


def _losses() -> None:
    print("| web2 lost | the others serve | web2 itself serves | all one again after mending |\n|---|---|---|---|")
    with farm(PLACES["three hosts"], names=SITES) as hosts:
        for row in losses(hosts):
            print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-losses", action="store_true", help="only ships and ways back")
    asked = parser.parse_args()
    rounds = asked.rounds
    if not asked.no_losses:
        _losses()
    print(f"median of {rounds} (least, most), seconds")
    for place, where in PLACES.items():
        with farm(where, names=SITES) as hosts:
            found: dict[str, list[float]] = {}
            for name, seconds in measure(hosts, rounds):
                found.setdefault(name, []).append(seconds)
        for name, values in found.items():
            print(
                f"| {place} | {name} | {statistics.median(values):.2f} | {min(values):.2f} to {max(values):.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
