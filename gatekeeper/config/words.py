"""What single texts of `sites.toml` must look like. Each function returns what is wrong, in a sentence, or None."""

import base64
import binascii
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import SplitResult, urlsplit

from gatekeeper.config.problems import MISSING, Found, dotted, spelled

Judge = Callable[[str], str | None]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_UNIX_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST_HEADER = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_SSH_TARGET = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.@:\[\]-]*")
_EXECUTOR = re.compile(r"(tcp|tls)://[A-Za-z0-9_.\[\]:-]+")
_SSH_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(@[A-Za-z0-9_][A-Za-z0-9_.-]*)?:[^:\s][^\s]*")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*")
_TRANSPORTS = ("ssh://", "https://", "http://", "git://", "file://")
_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


def judged(key: str, text: str | None, judge: Judge) -> Iterator[Found]:
    """Yield what `judge` says of one text, if there is one."""
    complaint = None if text is None else judge(text)
    if complaint:
        yield key, text, complaint


def judged_name(key: str, text: str, judge: Judge) -> Iterator[Found]:
    """Yield what `judge` says of a table's name; its key shows it already."""
    complaint = judge(text)
    if complaint:
        yield key, MISSING, complaint


def judged_each(key: str, texts: Iterable[str], judge: Judge) -> Iterator[Found]:
    """Yield what `judge` says of each text of a list."""
    for at, text in enumerate(texts):
        yield from judged(f"{key}[{at}]", text, judge)


def judged_command(key: str, words: tuple[str, ...]) -> Iterator[Found]:
    """Yield what is wrong with a command; one that holds a space in its only word is a shell line."""
    if words and not words[0].strip():
        yield key, words, "Its first word, the program, is empty."
    elif len(words) == 1 and " " in words[0]:
        split = spelled(words[0].split())
        yield key, words, f"It is never run by a shell: give each word by itself. Write {split}."


def judged_variables(key: str, names: Iterable[str]) -> Iterator[Found]:
    """Yield what is wrong with the names of environment variables."""
    for name in names:
        yield from judged_name(dotted(key, name), name, variable)


def name(text: str) -> str | None:
    """Judge the name of a site, a surface or a host: it is a folder, a pm2 name and a word of a trailer."""
    if _NAME.fullmatch(text):
        return None
    better = re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")[:64]
    hint = f" Such as {spelled(better)}." if better else ""
    return f"A name is 1 to 64 of a-z, 0-9 and -, and does not start with -.{hint}"


def label(text: str) -> str | None:
    """Judge the name of an agent, a build or a check."""
    if _LABEL.fullmatch(text):
        return None
    return "It must be 1 to 64 letters, digits, dots, - and _, and start with a letter or a digit."


def tree_path(text: str) -> str | None:
    """Judge a path below something: relative, in its shortest form, and not out of it."""
    if text in ("", "."):
        return "It must name something." if text else "It is empty."
    if not text.isprintable() or "\\" in text:
        return "A path holds no backslash and no invisible character."
    if text.startswith("/"):
        return "It must be relative, without a / at its start."
    if ".." in text.split("/"):
        return 'It must not lead out: ".." is not allowed.'
    if ".git" in text.casefold().split("/"):
        return "Git's own folder is never part of the tree."
    return _shortest(text)


def tree_path_or_all(text: str) -> str | None:
    """Judge like `tree_path`, but "." stands for the whole."""
    return None if text == "." else tree_path(text)


def gate_path(text: str) -> str | None:
    """Judge the path of a private file of the gate: below it, and not where it would be published or shipped."""
    if text.partition("/")[0] in ("www", "live", "repo.git", "data"):
        return "That folder is not private. Keep it in var/, such as var/env/shop."
    return tree_path(text)


def pattern(text: str) -> str | None:
    """Judge a pattern of paths, where * and ** may stand."""
    return tree_path(text.removesuffix("/") if text.endswith("**/") else text)


def absolute_path(text: str) -> str | None:
    """Judge a path of a machine."""
    if not text.startswith("/"):
        return "It must be absolute, with a / at its start."
    if not text.isprintable():
        return "A path holds no invisible character."
    return _shortest(text)


def variable(text: str) -> str | None:
    """Judge the name of an environment variable; those of the gate are not the operator's to set."""
    if text.startswith("GATE_"):
        return "What starts with GATE_ is set by the gate. Choose another name."
    return None if _VARIABLE.fullmatch(text) else "It is no name of an environment variable."


def address(text: str) -> str | None:
    """Judge a health address; it is shown in messages, so it must hold no password."""
    parts = split_address(text)
    if parts is None or not text.isascii() or not text.isprintable() or " " in text:
        return 'It must be an address such as "http://127.0.0.1:4101/health".'
    if parts.scheme not in ("http", "https"):
        return "It must start with http:// or https://."
    if parts.username is not None or parts.password is not None:
        return "It must hold no user name or password: it is shown in messages."
    return 'It must name a host, such as "http://127.0.0.1:4101/health".' if not parts.hostname else None


def split_address(text: str) -> SplitResult | None:
    """Return the parts of an address whose host and port can be read; None otherwise."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts


def repository(text: str) -> str | None:
    """Judge where Git pushes to; it is shown in messages and records, so it must hold no password."""
    if not text.isprintable() or not (_SSH_PATH.fullmatch(text) or text.startswith((*_TRANSPORTS, "/"))):
        return 'It must be where Git can push to, such as "git@backup:gate.git", "ssh://…" or "/mnt/backup/gate.git".'
    parts = split_address(text)
    if parts is not None and parts.password is not None:
        return "It must hold no password: it is shown in messages. Use ssh, with a key of the Librarian's user."
    return None


def own_branch(text: str) -> str | None:
    """Judge a branch of a mirror that is forced: never `release`, whose history is the proof, nor a request."""
    if text == "release" or text.partition("/")[0] == "request":
        return 'It is the gate\'s already, and this one is forced back at times. Choose another, such as "rollout".'
    return None if _BRANCH.fullmatch(text) and not text.endswith(".lock") else 'It must be a branch, such as "rollout".'


def host_header(text: str) -> str | None:
    """Judge a Host header."""
    return None if _HOST_HEADER.fullmatch(text) else 'It must be a host name, such as "shop.example".'


def ssh_target(text: str) -> str | None:
    """Judge where ssh connects to; a leading - would be an option of ssh."""
    return None if _SSH_TARGET.fullmatch(text) else 'It must be a host, such as "gate@web2".'


def executor(text: str) -> str | None:
    """Judge where checks run; the address is shown in messages and goes to Dask, which knows other kinds."""
    parts = split_address(text)
    good = parts is not None and parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
    if text == "local" or (good and _EXECUTOR.fullmatch(text)):
        return None
    return 'It must be "local", or the address of a scheduler such as "tls://10.0.0.5:8786".'


def is_loopback(address: str) -> bool:
    """Tell whether only this machine gets to that address."""
    parts = split_address(address)
    host = (parts.hostname if parts else None) or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def unix_user(text: str) -> str | None:
    """Judge the name of a Unix user; root is nobody's door and runs no site."""
    if text == "root":
        return "It must not be root."
    return None if _UNIX_USER.fullmatch(text) else 'It must be the name of a Unix user, such as "agent-a".'


def line(text: str) -> str | None:
    """Judge a text that people are shown."""
    return None if text.strip() and text.isprintable() else "It must be one line, printable and not empty."


def ssh_key(text: str) -> str | None:
    """Judge a public key: an authorized_keys line without options, since options would open more than the door."""
    if not text.isprintable():
        return "It must be one line: a newline would add a second key."
    kind, _, rest = text.partition(" ")
    if kind not in _KEY_TYPES:
        return f"It must start with the key's type, such as {_KEY_TYPES[0]}, and hold no options before it."
    return None if _holds_key(kind, rest.split(" ")[0]) else f"What follows {kind} is no such key."


def _holds_key(kind: str, body: str) -> bool:
    """Return whether `body` is base64 of a key that says itself to be of this `kind`."""
    try:
        blob = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return False
    said = len(kind).to_bytes(4, "big") + kind.encode()
    return blob.startswith(said) and len(blob) > len(said) + 4


def _shortest(text: str) -> str | None:
    shortest = posixpath.normpath(text).replace("//", "/")
    return None if shortest == text else f"Write it in its shortest form, {spelled(shortest)}."
