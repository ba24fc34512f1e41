"""One codec writes and reads the records: whatever goes in comes out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.model import Actor, Assurance
from gatekeeper.repo.records import Record, decode, encode

TEXT = st.text(st.characters(codec="utf-8"))
LINE = TEXT.map(lambda text: " ".join(text.split()))
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.builds(
    Record,
    event=st.from_regex(r"[a-z_]{1,12}", fullmatch=True),
    subject=LINE,
    sequence=st.integers(1, 10**9),
    at=TEXT,
    actor=st.builds(Actor, name=TEXT, assurance=st.sampled_from(Assurance), role=TEXT),
    mode=st.sampled_from(["advisory", "enforced"]),
    data=st.dictionaries(TEXT, VALUES, max_size=4),
)


@given(RECORDS)
def test_what_is_written_is_read_back(record: Record) -> None:
    assert decode(encode(record)) == record


@given(RECORDS)
def test_a_record_is_one_line_for_git_log_and_one_of_json(record: Record) -> None:
    lines = encode(record).split("\n")
    assert len(lines) == 4
    assert lines[1] == lines[3] == ""


@pytest.mark.parametrize("format_", [0, 2, "1", None])
def test_another_format_is_refused(format_: object) -> None:
    text = encode(Record("x", "y", 1, "z", Actor("a"), "advisory"))
    with pytest.raises(ValueError, match="of format"):
        decode(text.replace('"format": 1', f'"format": {format_!r}'.replace("'", '"').replace("None", "null")))
