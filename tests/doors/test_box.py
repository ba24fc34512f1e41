"""What Git finds behind a door, as arguments: what is writable is written down here once more."""

from pathlib import Path

import pytest

from gatekeeper.doors import box
from gatekeeper.home import Home


def mounted(argv: tuple[str, ...], how: str) -> set[str]:
    return {argv[at + 2] for at, word in enumerate(argv) if word == how}


def test_a_fetch_can_write_nothing(tmp_path: Path) -> None:
    assert mounted(box.upload_pack(Home(tmp_path)), "--bind") == set()


def test_a_push_can_write_this_and_no_more(tmp_path: Path) -> None:
    argv = box.receive_pack(Home(tmp_path))
    writable = {path.removeprefix(f"{tmp_path}/") for path in mounted(argv, "--bind")}
    repo = {"repo.git/objects", "repo.git/refs/heads/request", "repo.git/logs/refs/heads/request"}
    assert writable == repo | {"var/spool", "var/answers"}
    assert argv.index("--bind") < argv.index(str(tmp_path / "repo.git" / "objects" / "info")), "read-only again"


def test_nothing_of_the_rest_of_the_gate_is_there(tmp_path: Path) -> None:
    for argv in (box.receive_pack(Home(tmp_path)), box.upload_pack(Home(tmp_path))):
        words = {word.removeprefix(f"{tmp_path}/").split("/")[0] for word in argv if word.startswith(str(tmp_path))}
        assert words <= {"repo.git", "var"}
        assert {"--unshare-all", "--die-with-parent", "--new-session"} <= set(argv)
        assert argv[argv.index("--cap-drop") + 1] == "ALL"


def test_its_environment_is_of_our_own_making(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("LD_PRELOAD", "x")
    assert not {"GIT_CONFIG_COUNT", "LD_PRELOAD"} & set(box.environment())
    assert set(box.environment(GATE_DOOR="x")) - set(box.environment()) == {"GATE_DOOR"}
