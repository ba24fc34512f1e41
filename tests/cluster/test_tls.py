"""TLS as docs/cluster.md sets it up: with a certificate of the authority one is served, without one nobody is."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gatehouse import ROOT, Gatehouse

from gatekeeper.model import Verdict
from gatekeeper.verify.cluster import Away

from .crew import Crew, crew
from .site import asking, check, configure

FILES = ("ca.pem", "gate.pem", "gate.key")
GREEN = check("green", "test -e sites/web/page.txt")
DOC = (ROOT / "docs/cluster.md").read_text()


def certificates(folder: Path) -> Path:
    """Run the commands of the page."""
    folder.mkdir(parents=True)
    script = next(block for block in re.findall(r"```sh\n(.*?)```", DOC, re.DOTALL) if "openssl" in block)
    subprocess.run(["sh", "-ec", script], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def signed(site: Gatehouse) -> Path:
    return certificates(site.root / "signed")


@pytest.fixture(scope="module")
def team(site: Gatehouse, signed: Path) -> Iterator[Crew]:
    files = zip(("--tls-ca-file", "--tls-cert", "--tls-key"), ("ca.pem", "worker1.pem", "worker1.key"), strict=True)
    with crew(
        site.root / "crew", tls=tuple(word for name, file in files for word in (name, str(signed / file)))
    ) as made:
        made.hire()
        yield made


def use(gate: Gatehouse, team: Crew, folder: Path, key: str = "gate") -> Path:
    """Give the gate these files, and a sites.toml that names them."""
    place = gate.home.var / "cluster"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for file, name in (("ca.pem", "ca.pem"), (f"{key}.pem", "gate.pem"), (f"{key}.key", "gate.key")):
        shutil.copy(folder / file, place / name)
    files = "".join(
        f'tls_{name} = "var/cluster/{file}"\n' for name, file in zip(("ca", "cert", "key"), FILES, strict=True)
    )
    configure(gate, team.address, GREEN, verify=files)
    return place


def test_with_a_certificate_checks_run(site: Gatehouse, team: Crew, signed: Path) -> None:
    assert team.address.startswith("tls://")
    use(site, team, signed)
    with asking(site) as asked:
        assert isinstance(asked.ask("green"), Verdict)
        assert asked.wrong() == {}


def test_without_one_of_this_authority_nobody_is_served(
    site: Gatehouse, team: Crew, signed: Path, tmp_path: Path
) -> None:
    strange = certificates(tmp_path / "strange")
    shutil.copy(signed / "ca.pem", strange / "ca.pem")  # it trusts the scheduler, which does not trust it
    use(site, team, strange)
    with asking(site) as asked:
        assert isinstance(asked.ask("green"), Away)
        assert set(asked.wrong()) == {"scheduler"}
    configure(site, team.address.replace("tls:", "tcp:"), GREEN)
    with asking(site) as asked:
        assert isinstance(asked.ask("green"), Away)


def test_a_scheduler_of_another_authority_is_not_asked(
    site: Gatehouse, team: Crew, signed: Path, tmp_path: Path
) -> None:
    use(site, team, certificates(tmp_path / "strange"))
    with asking(site) as asked:
        said = asked.ask("green")
        assert isinstance(said, Away)
        assert "certificate" in said.why.lower()


def test_a_key_that_others_may_read_is_not_used(site: Gatehouse, team: Crew, signed: Path) -> None:
    place = use(site, team, signed)
    (place / "gate.key").chmod(0o640)
    with asking(site) as asked:
        said = asked.ask("green")
        assert isinstance(said, Away)
        assert (said.code, said.why) == (
            "GATE-501",
            f"others may read {place / 'gate.key'}: chmod 0600 {place / 'gate.key'}",
        )
    (place / "gate.key").unlink()
    with asking(site) as asked:
        said = asked.ask("green")
        assert isinstance(said, Away)
        assert said.code == "GATE-501"


def test_the_page_names_options_that_dask_has() -> None:
    for verb in ("scheduler", "worker"):
        written = re.findall(rf"^dask {verb}(?:.*\\\n)*.*$", DOC, re.MULTILINE)
        assert len(written) == 1
        help_ = subprocess.run(
            [sys.executable, "-m", "dask", verb, "--help"], capture_output=True, text=True, check=True
        )
        assert set(re.findall(r"--[a-z-]+", written[0])) <= set(re.findall(r"--[a-z-]+", help_.stdout))
