"""What was told, kept: over restarts, with a damaged file, and on a disk that takes nothing."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from gatekeeper.alerts.book import Book, Failing, Page, read
from gatekeeper.home import Home
from gatekeeper.policy.alerting import Cause, Known

PAGE = Page(
    causes={"k": Known(Cause("k", "GATE-401", "why"), 5.0, {"channel": 6.5})}, failing={"c": Failing("x", 1, "y")}
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "var").mkdir()
    return Home(tmp_path)


def put(book: Book, page: Page) -> None:
    with book.open() as draft:
        draft.page = page


def test_it_survives_a_restart_and_nobody_else_reads_it(home: Home) -> None:
    put(Book(home), PAGE)
    with Book(home).open() as draft:
        assert draft.page == PAGE
    assert home.alerts.stat().st_mode & 0o777 == 0o600
    written = home.alerts.stat().st_mtime_ns
    with Book(home).open():
        pass
    assert home.alerts.stat().st_mtime_ns == written, "nothing new is not written"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"causes": 1}', b'{"format": 2}', b"\xff"])
def test_a_damaged_or_foreign_file_is_an_empty_page(home: Home, content: bytes) -> None:
    home.alerts.write_bytes(content)
    assert read(home.alerts) == Page()


def test_what_the_disk_does_not_take_is_remembered_and_written_later(home: Home) -> None:
    book, in_the_way = Book(home), home.alerts / "x"
    in_the_way.mkdir(parents=True)
    put(book, PAGE)
    with book.open() as draft:
        assert draft.page == PAGE
    in_the_way.rmdir()
    home.alerts.rmdir()
    with book.open() as draft:
        draft.page = replace(draft.page, beat=1.0)
    assert read(home.alerts) == replace(PAGE, beat=1.0)
