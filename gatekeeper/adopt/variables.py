"""Parts a site's environment, as pm2 kept it, into what is its own and what the shell that started it had. Pure."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from gatekeeper.sites.ecosystem import RESERVED_ENV

_SHELL = frozenset(
    """PATH HOME USER LOGNAME SHELL PWD OLDPWD SHLVL TERM COLORTERM LANG LANGUAGE MAIL HOSTNAME DISPLAY EDITOR VISUAL
    PAGER LS_COLORS LESSOPEN LESSCLOSE TMPDIR INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID NODE_APP_INSTANCE
    NODE_CHANNEL_FD NODE_CHANNEL_SERIALIZATION_MODE NODE_UNIQUE_ID GATEKEEPER_HOME _""".split()  # noqa: SIM905
)
_SHELLS = (
    "LC_",
    "SSH_",
    "SUDO_",
    "XDG_",
    "DBUS_",
    "PM2_",
    "npm_",
    "NVM_",
    "GIT_",
    "GATE_",
    "TERM_",
    "MEMORY_PRESSURE_",
)
_OPEN = frozenset({"NODE_ENV", "PORT", "HOST", "TZ", "LOG_LEVEL", "DEBUG", "NODE_OPTIONS"})
_SECRET = re.compile(
    r"SECRET|TOKEN|KEY|PASS|PWD|PRIV|CRED|AUTH|DSN|SALT|COOKIE|CERT|SIGN|SEED|URI|DATABASE|MONGO|REDIS|AMQP|SENTRY|HOOK"
)
_HARMLESS = re.compile(r"[0-9]{0,6}|true|false|yes|no|on|off|localhost|127\.0\.0\.1|0\.0\.0\.0|::1?", re.IGNORECASE)
_PLACEHOLDER = "only-for-the-boot-check"


class Variables(Struct, frozen=True):
    """`plain` may stand in sites.toml; `secret` belongs into an env file; of `left_out` only the names are kept."""

    plain: Mapping[str, str]
    secret: Mapping[str, str]
    left_out: tuple[str, ...]
    unwritable: tuple[str, ...] = ()
    """Names whose value an env file cannot hold."""


def split(env: Mapping[str, object], *, app: str, shell: Mapping[str, str]) -> Variables:
    """Part an environment; `shell` is the daemon's own. What is not plainly harmless is a secret.

    What the daemon was started with as well is the shell's, unless its name or value says that it is a setting.
    """
    plain, secret, left_out, unwritable = {}, {}, [], []
    for name, raw in sorted(env.items()):
        value = str(raw).lower() if isinstance(raw, bool) else str(raw)
        if isinstance(raw, dict | list) or name in (app, "unique_id") or name in RESERVED_ENV:
            continue
        if not name.isidentifier() or _of_shell(name, value, shell):
            left_out.append(name)
        elif is_plain(name, value):
            plain[name] = value
        elif any(mark in value for mark in "\n\r\0") or value != value.strip():
            unwritable.append(name)
        else:
            secret[name] = value
    return Variables(plain, secret, tuple(left_out), tuple(unwritable))


def is_plain(name: str, value: str) -> bool:
    """Tell whether anybody may read it: a known name, a number or a switch, an address without credentials."""
    if name in _OPEN or name.endswith("_PORT"):
        return len(value) <= 64 and value.isprintable()
    if _SECRET.search(name.upper()):
        return False
    return _HARMLESS.fullmatch(value) is not None or _is_open_address(value)


def placeholder(value: str) -> str:
    """Return what a boot check may be given in place of a secret: an address stays one, to nowhere."""
    scheme, mark, _ = value.partition("://")
    return f"{scheme}://127.0.0.1:9/{_PLACEHOLDER}" if mark and scheme.isidentifier() else _PLACEHOLDER


def _of_shell(name: str, value: str, shell: Mapping[str, str]) -> bool:
    if name in _SHELL or name.startswith(_SHELLS):
        return True
    named = name in _OPEN or name.endswith("_PORT") or _SECRET.search(name.upper())
    setting = named and not value.startswith("/")  # CERT and KEY in a name often tell of a file of the machine
    return shell.get(name) == value and not setting and "://" not in value


def _is_open_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and not (parts.query or "@" in parts.netloc) and parts.path in ("", "/")
