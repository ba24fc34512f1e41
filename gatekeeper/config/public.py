"""What of a configuration may be told to whoever reads the log: everything but values that look like secrets."""

import re
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gatekeeper.config.schema import Config

_SECRET = re.compile(r"key|token|secret|passw|credential|dsn|auth", re.IGNORECASE)
_WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
HIDDEN = "(hidden)"
_Table = TypeVar("_Table", bound=Struct)


def without_secrets(config: Config) -> Config:
    """Return the configuration with every environment value hidden whose name or content tells of a secret.

    Secrets belong into `env_file`, which is never read here; this is for those who put one into sites.toml.
    """
    return replace(
        config,
        sites={name: _covered(site) for name, site in config.sites.items()},
        builds=tuple(_covered(build) for build in config.builds),
        checks=tuple(_covered(check) for check in config.checks),
    )


def _covered(table: _Table) -> _Table:
    named = {name: getattr(table, name) for name in ("env", "boot_env") if hasattr(table, name)}
    return replace(table, **{name: _hide(values) for name, values in named.items()})


def _hide(values: dict[str, str]) -> dict[str, str]:
    return {
        name: HIDDEN if _SECRET.search(name) or _WITH_PASSWORD.search(value) else value
        for name, value in values.items()
    }
