"""How long a push takes at each door, beside the same push to a bare path: in turn, in one run, medians and ratios.

Run it as root, as `python -m benchmarks.doors [--rounds 20]`: it makes Unix users, and removes them.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from enforced import Enforced, UsersClone, build


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with build(keys=True) as gate, gate.sshd() as port:
        clone = gate.clone("codex-1")
        ways = {
            "path, no hooks": (str(_copy(gate, "bare", hooks=False)), ""),
            "path, with the hooks": (str(_copy(gate, "hooked", hooks=True)), ""),
            "local door": (gate.address, ""),
            "sshd": (_over_ssh(gate, port), gate.ssh("codex-1", port)),
            "sshd, with a control master": (_over_ssh(gate, port), _mastered(gate, port)),
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(-1, rounds):
            clone.commit({"sites/docs/index.html": f"{number}\n"}, f"Round {number}")
            for way, (address, ssh) in ways.items():
                seconds = _push(clone, address, ssh)
                if number >= 0:
                    taken[way].append(seconds)
        _close(clone, gate, port)
    _print(taken, rounds)
    return 0


def _copy(gate: Enforced, name: str, *, hooks: bool) -> Path:
    """Return the repository as an agent's own, in the advisory set-up: a path is pushed to with the agent's rights."""
    home = gate.root / name
    shutil.copytree(gate.home.path, home, symlinks=True, ignore=lambda *_: ["doors", "live", "keys"])
    repo = home / "repo.git"
    if not hooks:
        shutil.rmtree(repo / "hooks")
    policy = home / "var" / "policy.json"
    policy.write_text(policy.read_text().replace('"mode": "enforced"', '"mode": "advisory"'))
    subprocess.run(["chown", "-R", f"{gate.users['codex-1'].uid}", str(home)], check=True)
    return repo


def _over_ssh(gate: Enforced, port: int) -> str:
    return f"ssh://{gate.librarian.name}@127.0.0.1:{port}/x"


def _mastered(gate: Enforced, port: int) -> str:
    return f"{gate.ssh('codex-1', port)} -o ControlMaster=auto -o ControlPersist=60 -o ControlPath=~/master"


def _push(clone: UsersClone, address: str, ssh: str) -> float:
    env = {**clone.env, **({"GIT_SSH_COMMAND": ssh.replace("~", clone.env["HOME"])} if ssh else {})}
    argv = clone.user.command(["git", "push", "-q", "-f", address, "HEAD:request/measured"])
    began = time.perf_counter()
    subprocess.run(argv, cwd=clone.folder, env=env, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _close(clone: UsersClone, gate: Enforced, port: int) -> None:
    words = [*_mastered(gate, port).replace("~", clone.env["HOME"]).split(), "-O", "exit", "x@127.0.0.1"]
    words[-1] = f"{gate.librarian.name}@127.0.0.1"
    subprocess.run(clone.user.command(words), stderr=subprocess.DEVNULL, check=False)


def _print(taken: dict[str, list[float]], rounds: int) -> None:
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{rounds} rounds, {os.cpu_count()} cores, load {load}, {git}, Python {platform.python_version()}\n")
    print("| push through | median | fastest | times the bare push |\n|---|---|---|---|")
    bare = statistics.median(taken["path, no hooks"])
    for way, seconds in taken.items():
        median = statistics.median(seconds)
        print(f"| {way} | {1000 * median:.0f} ms | {1000 * min(seconds):.0f} ms | {median / bare:.1f} |")


if __name__ == "__main__":
    sys.exit(main())
