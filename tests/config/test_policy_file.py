"""What the doors are told of sites.toml."""

import json
from pathlib import Path

from gatekeeper.config import policy
from gatekeeper.config.load import load
from gatekeeper.model import Oid
from gatekeeper.repo import compiled as reading

SHIPPED = Path(__file__).parents[2] / "sites.toml"


def test_the_shipped_file_is_compiled_and_read_back_by_the_hooks(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    config = load(SHIPPED)
    compiled = policy.compile_policy(config, taken_out=((Oid("1" * 40), Oid("2" * 40)),))
    policy.write(tmp_path, compiled)
    seen = reading.load(str(tmp_path))
    assert seen == json.loads(json.dumps(compiled))
    assert seen["surfaces"].keys() == config.surface_paths().keys()
    assert seen["taken_out"] == [["1" * 40, "2" * 40]]
    assert seen["limits"]["request_paths"] == config.limits.request_paths
    assert (tmp_path / "var" / "policy.json").stat().st_mode & 0o777 == 0o600


def test_agents_are_told_without_their_keys(tmp_path: Path) -> None:
    file = tmp_path / "sites.toml"
    text = SHIPPED.read_text() + '\n[agents.zoe]\nowner = "kim"\nunix_user = "zoe"\nsurfaces = ["shop"]\nmax_open = 3\n'
    file.write_text(text)
    assert policy.compile_policy(load(file))["agents"] == {
        "zoe": {"role": "agent", "surfaces": ["shop"], "max_open": 3}
    }
