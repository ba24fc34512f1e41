"""What sites.toml needs installed beyond the package itself. Looks, and imports none of it."""

from collections.abc import Iterator
from importlib.util import find_spec

from gatekeeper.config.problems import Found
from gatekeeper.config.schema import Config


def missing(config: Config) -> Iterator[Found]:
    """Yield each option that needs an extra which is not installed, with the command that installs it."""
    if config.verify.executor != "local" and (wrong := cluster()) is not None:
        yield "verify.executor", config.verify.executor, wrong


def cluster() -> str | None:
    """Return what is wrong when Dask is not installed here, as sentences."""
    if find_spec("distributed") is not None:
        return None
    return "It needs Dask, which is not installed here: pip install 'git-gatekeeper[cluster]'"
