"""Completion in real shells: verbs, options, and what is in the gate; a gate that cannot be read breaks no prompt."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gatehouse import Gatehouse

from gatekeeper import process
from gatekeeper.commands.completion import SHELLS, script

BASH = """{script}
COMP_WORDS=({words} {last}); COMP_CWORD={number}
_gatekeeper_completion gatekeeper
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def offered(words: str, last: str, home: Path, cwd: Path) -> list[str]:
    """Return what bash offers for the last word."""
    text = BASH.format(script=script("bash"), words=words, last=last or '""', number=len(words.split()))
    env = {**process.own_environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    argv = ("bash", "--norc", "-c", text)
    done = subprocess.run(argv, env={**env, "GATEKEEPER_HOME": str(home)}, cwd=cwd, capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split()


def test_bash_offers_verbs_options_and_what_is_in_the_gate(gate: Gatehouse, tmp_path: Path) -> None:
    gate.clone().request("complete-me", {"sites/web/page.txt": "complete\n"})

    def at(words: str, last: str) -> list[str]:
        return offered(words, last, gate.home.path, tmp_path)

    assert at("gatekeeper", "ro") == ["rollback"]
    assert set(at("gatekeeper status", "--")) == {"--watch", "--json", "--help"}
    assert at("gatekeeper config", "a") == ["apply"]
    assert at("gatekeeper show", "comp") == ["complete-me"]
    assert at(f"gatekeeper --gate {gate.home.path} reject", "comp") == ["complete-me"]
    assert at("gatekeeper rollback", "v0.1.0") == ["v0.1.0"]
    assert at("gatekeeper reload", "shop-") == ["shop-admin"]
    assert at("gatekeeper explain", "GATE-50") == [f"GATE-50{number}" for number in range(1, 7)]


@pytest.mark.parametrize("what", ["none", "broken"])
def test_a_gate_that_cannot_be_read_offers_nothing_and_says_nothing(what: str, tmp_path: Path) -> None:
    if what == "broken":
        (tmp_path / "sites.toml").write_text("not [ toml")
        (tmp_path / "repo.git").write_text("no repository")
    for words in ("gatekeeper show", "gatekeeper reload", "gatekeeper rollback"):
        assert offered(words, "", tmp_path, tmp_path) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_can_read_its_script(shell: str, tmp_path: Path) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell} here")
    file = tmp_path / "completion"
    file.write_text(script(shell))
    check = (found, "--no-execute", str(file)) if shell == "fish" else (found, "-n", str(file))
    assert process.run(check, env=process.own_environment()).ok
    assert "request-deploy" in script(shell)


def test_fish_offers_a_verb() -> None:
    if shutil.which("fish") is None:
        pytest.skip("there is no fish here")
    env = {**process.own_environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    asked = f'{script("fish")}\ncomplete -C "gatekeeper rollb"; complete -C "request-deploy --inte"'
    done = process.run(("fish", "--no-config", "-c", asked), env=env)
    assert [line.split()[0] for line in done.text.splitlines()] == ["rollback", "--intent"]
