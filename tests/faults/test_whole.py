"""The invariant itself: what it takes for a leftover process, and what only names the gate's folder."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from gatehouse import Gatehouse

from faults.whole import assert_whole


@contextmanager
def _process(gate: Gatehouse, env: dict[str, str]) -> Iterator[None]:
    """Somebody's program that says the gate's folder on its command line."""
    with subprocess.Popen(
        ["sh", "-c", "read line", str(gate.root)], stdin=subprocess.PIPE, env=env, cwd="/"
    ) as process:
        yield
        process.communicate(b"\n")


def test_what_a_gate_left_running_is_found(site_gate: Gatehouse) -> None:
    with _process(site_gate, site_gate.env), pytest.raises(AssertionError, match="still runs: sh -c"):
        assert_whole(site_gate)


def test_somebody_who_only_names_the_folder_is_no_part_of_it(site_gate: Gatehouse) -> None:
    with _process(site_gate, dict(os.environ)):
        assert_whole(site_gate)
