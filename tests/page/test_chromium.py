"""The page in a real Chromium: at three widths, light and dark, with a keyboard, to a screen reader, against harm."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gatehouse import ROOT

from gatekeeper.page import files

from .pictures import HARMFUL, TROUBLE, WELL

PICTURES = {"well": WELL, "trouble": TROUBLE, "harmful": HARMFUL}
VIEWS = ((360, "light"), (768, "dark"), (1280, "light"))
IN_TIME = "2026-11-02T10:05:00Z"


def look(*jobs: dict[str, Any]) -> list[dict[str, Any]]:
    chromium = shutil.which("chromium")
    assert chromium, "tests of the page need Chromium: `make setup` as root, or apt-get install chromium"
    argv = ["node", str(Path(__file__).with_name("look.mjs")), json.dumps(jobs)]
    done = subprocess.run(argv, env={**os.environ, "CHROMIUM": chromium}, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return list(json.loads(done.stdout))


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pages")
    for name, seen in PICTURES.items():
        files.write(root / name, files.rendered(seen))
    return root


@pytest.fixture(scope="module")
def seen(www: Path) -> dict[tuple[str, int, str], dict[str, Any]]:
    """Every picture at three widths, light and dark, by one browser."""
    keys = [(name, width, scheme) for name in PICTURES for width, scheme in VIEWS]
    jobs = [
        {"url": f"file://{www}/{name}/index.html", "width": width, "scheme": scheme, "now": IN_TIME, "tabs": 5}
        for name, width, scheme in keys
    ]
    return dict(zip(keys, look(*jobs), strict=True))


def test_nothing_scrolls_sideways(seen: dict[tuple[str, int, str], dict[str, Any]]) -> None:
    assert {key: one["overflow"] for key, one in seen.items() if one["overflow"] > 0} == {}


def test_no_rule_of_accessibility_is_broken(seen: dict[tuple[str, int, str], dict[str, Any]]) -> None:
    """Contrast, landmarks, headings, names, language: as axe-core judges WCAG 2.2 AA and good practice."""
    assert {key: one["violations"] for key, one in seen.items() if one["violations"]} == {}
    assert all(one["rules"] > 30 for one in seen.values())


def test_nothing_is_asked_for_and_nothing_acts(seen: dict[tuple[str, int, str], dict[str, Any]], www: Path) -> None:
    for (name, _, _), one in seen.items():
        assert one["asked"] == [f"file://{www}/{name}/index.html"]
        assert one["said"] == []
    assert "<script>alert(1)</script>" in seen["harmful", 360, "light"]["text"]
    assert "\\u202e" in seen["harmful", 360, "light"]["text"]
    assert "{{ 7*7 }}" in seen["harmful", 360, "light"]["text"]


def test_both_schemes_are_drawn(seen: dict[tuple[str, int, str], dict[str, Any]]) -> None:
    assert seen["well", 1280, "light"]["ground"] != seen["well", 768, "dark"]["ground"]


def test_a_keyboard_reaches_every_link_and_sees_where_it_is(seen: dict[tuple[str, int, str], dict[str, Any]]) -> None:
    focus = seen["well", 1280, "light"]["focus"]
    assert [one["text"] for one in focus] == ["Feed", "Changelog", "JSON", "Metrics", "Badge"]
    assert {one["outline"] for one in focus} == {"solid 3px"}


def test_a_screen_reader_hears_the_state_first_and_finds_its_way(
    seen: dict[tuple[str, int, str], dict[str, Any]],
) -> None:
    tree = seen["trouble", 360, "light"]["tree"]
    order = [tree.index(part) for part in ("banner:", 'heading "Site web is not healthy." [level=1]', "main:")]
    assert order == sorted(order)
    for heading in ("Waits for a person", "Queue", "Sites", "Builds and checks", "What went live"):
        assert f'region "{heading}' in tree
    assert "not healthy" in tree


def test_an_old_page_says_so_with_a_script_and_without(www: Path) -> None:
    page = f"file://{www}/well/index.html"
    late = "2026-11-02T13:00:00Z"
    scripted, plain = look({"url": page, "width": 800, "now": late}, {"url": page, "width": 800, "script": False})
    assert scripted["headline"] == "This page is old. It was written 3 h ago, and no heartbeat came since."
    assert (scripted["tone"], scripted["title"]) == ("bad", scripted["headline"])
    assert plain["headline"] == "All is well. 6 sites run v1.4.2."
    assert "Good until 2 Nov 10:30 UTC: if it is later than that now, the Librarian has stopped" in plain["text"]


def test_an_open_page_takes_a_newer_one_in(www: Path, tmp_path: Path) -> None:
    shutil.copytree(www / "well", tmp_path / "www")
    with serving(tmp_path / "www") as address:
        newer = [str(www / "trouble" / "index.html"), str(tmp_path / "www" / "index.html")]
        (one,) = look({"url": f"{address}/index.html", "width": 800, "replace": newer})
    assert "clash" in one["text"]
    assert one["violations"] == []


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass
