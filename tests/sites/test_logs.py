"""What sites print never fills the disk."""

from pathlib import Path

from gatekeeper.sites import logs


def test_a_log_that_has_grown_begins_anew_with_its_newest_bytes_beside_it(tmp_path: Path) -> None:
    log, short = tmp_path / "shop-out.log", tmp_path / "web-out.log"
    short.write_text("short")
    with log.open("ab", buffering=0) as pm2:
        pm2.write(b"first ")
        pm2.write(b"newest")
        logs.shorten([log, short, tmp_path / "none.log"], most=6)
        pm2.write(b"later")
    assert log.read_bytes() == b"later", "whoever appends goes on at its beginning"
    assert (tmp_path / "shop-out.log.1").read_bytes() == b"newest"
    assert short.read_text() == "short"
    with log.open("ab") as pm2:
        pm2.write(b" and more")
    logs.shorten([log], most=6)
    assert (tmp_path / "shop-out.log.1").read_bytes() == b"d more"


def test_a_link_in_the_place_of_a_log_is_left(tmp_path: Path) -> None:
    """In a folder of a site's own, the site could lead us to any file."""
    other, log = tmp_path / "other", tmp_path / "shop-out.log"
    other.write_text("of somebody else")
    log.symlink_to(other)
    logs.shorten([log], most=1)
    assert other.read_text() == "of somebody else"
