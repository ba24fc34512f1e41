"""Real channels: Apprise against a server of ours, programs, pings; what hangs or dies is told and holds nothing up."""

import json
import stat
import subprocess
import sys
from pathlib import Path

from gatekeeper.alerts.addresses import parse
from gatekeeper.alerts.post import Letter, send

from .listener import SECRET, Heard


def letters(*lines: str) -> list[Letter]:
    found = parse("\n".join(lines), "f")
    assert found.problems == ()
    return [Letter(one, "the title", "the body\n", "warning", '{"a": 1}\n') for one in found.all]


def said(*lines: str, patience: float = 10.0) -> list[str | None]:
    wanted = letters(*lines)
    told = send(wanted, patience=patience)
    return [told[letter.address.id] for letter in wanted]


def program(folder: Path, text: str) -> str:
    path = folder / "page"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"exec:{path}"


def test_every_kind_arrives(heard: Heard, tmp_path: Path) -> None:
    page = program(tmp_path, f'cat > "{tmp_path}/heard.$1"')
    assert said(heard.apprise, f"{page} 'night shift'", f"{heard.ping} ping") == [None, None, None]
    (message,) = heard.messages
    assert (message["title"], message["message"], message["type"]) == ("the title", "the body", "warning")
    assert json.loads((tmp_path / "heard.night shift").read_text()) == {"a": 1}
    assert heard.pings == [f"/{SECRET}"]


def test_what_fails_is_told_without_the_token_and_the_others_arrive(heard: Heard, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9/s3cret-t0ken ping"
    lines = (
        program(tmp_path, "exit 3"),
        "exec:/nowhere/s3cret-t0ken",
        nowhere,
        f"nonsense://{SECRET}",
        heard.apprise,
        "exec:/s3cret-t0ken\0",
    )
    told = said(*lines)
    assert told == [
        "the program ended with status 3",
        "the program cannot be started: No such file or directory",
        "there was no answer",
        "Apprise does not know this form of address",
        None,
        "ValueError was raised",
    ]
    heard.status = 500
    told = said(heard.apprise, f"{heard.ping} ping")
    assert told == ["the channel did not take it", "it answered 500"]
    assert SECRET not in str(told)


def test_a_program_that_hangs_is_ended_and_the_others_arrive(heard: Heard, tmp_path: Path) -> None:
    hangs = program(tmp_path, f'echo $$ > "{tmp_path}/pid"; exec sleep 1000')
    assert said(hangs, heard.apprise, patience=1.0) == ["the program did not end within 1 seconds", None]
    pid = (tmp_path / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists()


def test_apprise_is_never_imported_by_the_gate() -> None:
    code = (
        "import gatekeeper.cli, gatekeeper.librarian.loop, gatekeeper.alerts.send, sys; print('apprise' in sys.modules)"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
