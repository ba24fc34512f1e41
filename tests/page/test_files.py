"""The files of www/ from pictures made by hand: what they say, that they are valid, and that no text of agents acts."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from gatekeeper.page import files
from gatekeeper.page.picture import Outlook, Picture, outlook

from .pictures import ALARM, HARMFUL, TROUBLE, WELL, request, site, status

ATOM = "{http://www.w3.org/2005/Atom}"


def with_status(**more: Any) -> Picture:
    return replace(WELL, status=status(**more))


@pytest.mark.parametrize(
    ("seen", "first", "headline"),
    [
        (WELL, Outlook.WELL, "All is well. 6 sites run v1.4.2."),
        (with_status(requests=[request("a", "queued", 1)]), Outlook.BUSY, "All is well. One request is on the way."),
        (
            with_status(requests=[request(id_, "blocked", None, "GATE-401") for id_ in "ab"]),
            Outlook.WAITING,
            "2 requests wait for a person.",
        ),
        (
            with_status(frozen={"reason": "x", "since": "2026-11-02T08:00:00Z", "until": "2026-11-03T06:00:00Z"}),
            Outlook.FROZEN,
            "Frozen. Nothing ships until 3 Nov 06:00 UTC.",
        ),
        (
            with_status(alerts={"open": [ALARM | {"scope": "event"}], "failing": [], "late_seconds": 0}),
            Outlook.WELL,
            "All is well. 6 sites run v1.4.2.",
        ),
        (
            with_status(alerts={"open": [], "failing": [], "late_seconds": 1800}),
            Outlook.LATE,
            "A heartbeat was due 30 minutes ago.",
        ),
        (
            with_status(librarian={**WELL.status["librarian"], "running": False}),
            Outlook.DOWN,
            "The Librarian is not running. Sites go on; nothing ships.",
        ),
        (
            with_status(alerts={"open": [ALARM], "failing": [], "late_seconds": 0}),
            Outlook.ALARM,
            "The gate needs a person now: the disk.",
        ),
        (
            with_status(sites=[site("shop"), site("web", healthy=False)]),
            Outlook.SICK,
            "Site web is not healthy.",
        ),
        (
            with_status(tampering=["release moved"], sites=[site("web", healthy=False)]),
            Outlook.TAMPERED,
            "Stopped. Something was changed that only the Librarian may change.",
        ),
    ],
)
def test_the_first_sentence_tells_the_gravest(seen: Picture, first: Outlook, headline: str) -> None:
    assert outlook(seen) == first
    assert f'<h1 id="headline">{headline}</h1>' in files.rendered(seen)["index.html"]


def test_the_page_tells_releases_with_agents_and_durations() -> None:
    page = files.rendered(WELL)["index.html"]
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace(" ,", ",")
    assert "v1.4.2 2 Nov 09:30 UTC · all sites in 60 s" in plain
    assert "codex-1 · free · shop · 20 min after it was filed" in plain
    assert "v1.4.3 rollback 2 Nov 09:40 UTC · decided by kim" in plain
    assert "unit failed web 31 s 31 s" in plain
    assert "Good until 2 Nov 10:30 UTC : if it is later than that now" in plain


def test_what_waits_is_named_with_its_code_its_reason_and_commands() -> None:
    page = files.rendered(TROUBLE)["index.html"]
    for told in (
        "GATE-401",
        "it was blocked.",
        "gatekeeper resolve clash",
        "GATE-503",
        "the disk is full.",
        "Stock-taking",
    ):
        assert told in page
    assert page.index("clash") < page.index("GATE-409") < page.index("not healthy</span>")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("seen", [WELL, TROUBLE, HARMFUL], ids=["well", "trouble", "harmful"])
def test_agents_text_makes_no_markup_and_no_line(seen: Picture) -> None:
    rendered = files.rendered(seen)
    tags = Tags()
    tags.feed(rendered["index.html"])
    assert [tag for tag, _ in tags.found].count("script") == 1
    assert not {"img", "iframe", "object", "form"} & {tag for tag, _ in tags.found}
    assert not [name for _, attrs in tags.found for name in attrs if name.startswith("on") or name == "style"]
    policy = next(attrs["content"] for _, attrs in tags.found if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name, text in rendered.items():
        assert text.replace("\n", "").isprintable() or name == "status.json", name
        assert text.endswith("\n"), name


@pytest.mark.parametrize("seen", [WELL, TROUBLE, HARMFUL], ids=["well", "trouble", "harmful"])
def test_the_feed_is_atom(seen: Picture) -> None:
    feed = ET.fromstring(files.rendered(seen)["feed.atom"])  # noqa: S314 - ours
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 3
    for one in (feed, *entries):
        for child in ("id", "title", "updated"):
            assert (one.findtext(f"{ATOM}{child}") or "").strip(), child
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one.findtext(f"{ATOM}updated") or "")
        assert (one.findtext(f"{ATOM}id") or "").startswith("urn:uuid:")
    assert len({one.findtext(f"{ATOM}id") for one in (feed, *entries)}) == 4
    assert feed.findtext(f"{ATOM}author/{ATOM}name")


@pytest.mark.parametrize(
    ("seen", "words"), [(WELL, "gate: v1.4.2"), (TROUBLE, "gate: unhealthy"), (HARMFUL, "gate: tampered with")]
)
def test_the_badge_is_svg_that_says_the_same(seen: Picture, words: str) -> None:
    svg = ET.fromstring(files.rendered(seen)["badge.svg"])  # noqa: S314 - ours
    assert (svg.tag, svg.get("aria-label")) == ("{http://www.w3.org/2000/svg}svg", words)


@pytest.mark.parametrize("seen", [WELL, TROUBLE, HARMFUL], ids=["well", "trouble", "harmful"])
def test_the_metrics_are_prometheus_text(seen: Picture) -> None:
    text = files.rendered(seen)["metrics.prom"]
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(family.documentation and family.type in ("gauge", "counter") for family in families.values())
    assert all(name.startswith("gatekeeper_") for name in families)
    assert families["gatekeeper_records"].samples[1].value == 2
    healthy = {one.labels["site"]: one.value for one in families["gatekeeper_site_healthy"].samples}
    assert healthy == {one["name"]: one["healthy"] for one in seen.status["sites"]}
    states = {one.labels["state"]: one.value for one in families["gatekeeper_requests"].samples}
    assert sum(states.values()) == len(seen.status["requests"])


def test_only_what_changed_is_written_and_anybody_may_read_it(tmp_path: Path) -> None:
    www = tmp_path / "www"
    files.write(www, files.rendered(WELL))
    before = {path.name: path.stat() for path in www.iterdir()}
    assert set(before) == {"index.html", "status.json", "feed.atom", "badge.svg", "metrics.prom", "CHANGELOG.md"}
    assert {seen.st_mode & 0o777 for seen in before.values()} == {0o644}
    assert www.stat().st_mode & 0o777 == 0o755
    files.write(www, files.rendered(replace(WELL, at="2026-11-02T10:07:00Z")))
    changed = {path.name for path in www.iterdir() if path.stat().st_ino != before[path.name].st_ino}
    assert changed == {"index.html"}
