"""`init --from`: one repository or several joined, and what an import is found to hold."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {f"GIT_{role}_{what}": "kim" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**kept, **who, "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def git(tmp_path: Path, env: dict[str, str]) -> Callable[..., str]:
    def run(folder: str, *args: str) -> str:
        done = subprocess.run(
            ["git", "-C", tmp_path / folder, *args], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def repository(tmp_path: Path, git: Callable[..., str]) -> Callable[[str, Mapping[str, str]], Path]:
    def make(name: str, files: Mapping[str, str]) -> Path:
        folder = tmp_path / name
        if not folder.exists():
            folder.mkdir()
            git(name, "init", "-q", "-b", "main")
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        git(name, "add", "-A")
        git(name, "commit", "-q", "-m", f"Some of {name}")
        return folder

    return make


@pytest.fixture
def init(tmp_path: Path, env: dict[str, str]) -> Run:
    def run(*sources: object) -> subprocess.CompletedProcess[str]:
        words = [word for source in sources for word in ("--from", str(source))]
        argv = [sys.executable, "-m", "gatekeeper", "init", str(tmp_path / "gate"), *words]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    return run


def test_several_repositories_are_joined_with_their_histories(
    repository: Callable[..., Path], init: Run, git: Callable[..., str], tmp_path: Path
) -> None:
    shop = repository("shop", {"server.js": "shop\n"})
    repository("shop", {"server.js": "shop, better\n"})
    git("shop", "tag", "-a", "-m", "first", "v1.0.0")
    web = repository("web", {"server.js": "web\n", "lib/a.js": ""})
    git("web", "tag", "-a", "-m", "first", "v1.0.0")
    common = repository("common", {"words.js": ""})
    done = init(f"shop={shop}", f"web={web}#main", f"lib/common={common}")
    assert done.returncode == 0, done.stderr
    repo = "gate/repo.git"
    assert git(repo, "ls-tree", "-r", "--name-only", "release").split() == [
        "lib/common/words.js",
        "sites/shop/server.js",
        "sites/web/lib/a.js",
        "sites/web/server.js",
    ]
    trail = git(repo, "log", "--first-parent", "--format=%s", "release").splitlines()
    assert trail == ["Join sites/shop, sites/web, lib/common", "Begin with an empty tree"]
    assert git(repo, "rev-list", "--count", "release") == "6"
    assert git(repo, "tag").split() == ["sites/shop/v1.0.0", "sites/web/v1.0.0"]
    assert "6 commits, 2 tags: the first version here will be v0.1.0" in done.stdout
    record = git(repo, "log", "-1", "--format=%B", "refs/gate/log")
    assert json.dumps(str(shop))[1:-1] in record
    assert git(repo, "for-each-ref", "refs/joined") == ""


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (("{shop}", "web={web}"), "has no name, and several repositories are joined."),
        (("shop={shop}", "shop={web}"), "Two repositories cannot both lie in sites/shop."),
        (("a/b={shop}", "a={web}", "a/b/c={web}"), "Two repositories cannot both lie in a/b."),
        (("Shop={shop}",), "A repository cannot be called 'Shop'."),
        (("../out={shop}",), "A repository cannot be called '../out'."),
        (("shop={shop}#nowhere",), "has no branch or tag named nowhere."),
        (("shop=/nowhere",), "/nowhere is not a Git repository."),
    ],
)
def test_what_cannot_be_joined_makes_nothing(
    repository: Callable[..., Path], init: Run, tmp_path: Path, sources: tuple[str, ...], said: str
) -> None:
    places = {name: repository(name, {"a": "b"}) for name in ("shop", "web")}
    done = init(*(source.format(**places) for source in sources))
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "gate").exists()


def test_all_that_can_never_ship_is_told_at_once(
    repository: Callable[..., Path], init: Run, git: Callable[..., str], tmp_path: Path
) -> None:
    app = repository("app", {"a": "b", "Readme": "", "big.bin": "version https://git-lfs.github.com/spec/v1\n"})
    for name in ("vendor", "more"):
        git("app", "update-index", "--add", "--cacheinfo", f"160000,{git('app', 'rev-parse', 'HEAD')},{name}")
    git("app", "commit", "-q", "-m", "With submodules")
    done = init(app)
    assert done.returncode == 1
    assert "GATE-204 2 paths can never ship, so nothing was made." in done.stderr
    assert "hint: more may not be deployed: it is a submodule" in done.stderr
    assert "hint: vendor may not be deployed: it is a submodule" in done.stderr
    assert not (tmp_path / "gate").exists()


def test_what_no_request_could_bring_in_is_noted(
    repository: Callable[..., Path], init: Run, git: Callable[..., str]
) -> None:
    lfs = "version https://git-lfs.github.com/spec/v1\n"
    app = repository("app", {"README": "", "Readme": "", "big.bin": lfs, "deep/" * 70 + "file": ""})
    (app / "away").symlink_to("/etc/passwd")
    git("app", "add", "-A")
    git("app", "commit", "-q", "-m", "With a link")
    git("app", "tag", "v2.3.4")
    done = init(app)
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stdout.splitlines() if line.startswith("note ")]
    assert [note.split()[1] for note in notes] == ["GATE-204"] * 4 + ["GATE-205"]
    assert "the highest version v2.3.4: the first version here will be v2.3.5" in done.stdout
