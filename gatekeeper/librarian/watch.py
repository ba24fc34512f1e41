"""Looks, at each heartbeat, whether anybody but the Librarian wrote what only the Librarian writes. Mends nothing.

It asks what can be known cheaply; `gatekeeper audit verify` proves the whole history.
"""

from collections.abc import Iterator, Mapping

from gatekeeper.gate import Gate
from gatekeeper.librarian.present import newest_of_ours
from gatekeeper.model import LOG, RELEASE, REQUESTS, TAGS, Oid, Ref, Version
from gatekeeper.repo import hooks
from gatekeeper.repo.create import PLACEHOLDER, foreign_settings

_OURS = ("refs/gate/", REQUESTS, TAGS)
_LOG_TRAILER = "Gate-Log: "
_SIGNED = set[tuple[Oid, bytes]]()
"""Tags that proved to be signed, each with the signers' file that it was proved by. A failure is asked again."""


def tampering(gate: Gate, refs: Mapping[Ref, Oid]) -> tuple[str, ...]:
    """Return what is not as the Librarian left it, a sentence each."""
    return (*_refs(gate, refs), *_settings(gate))


def newest_tag(gate: Gate, refs: Mapping[Ref, Oid]) -> tuple[Version, Oid] | None:
    """Return the highest version that carries the Librarian's name, and its tag object."""
    newest = newest_of_ours(gate.git, refs, (ref.removeprefix(TAGS) for ref in refs if ref.startswith(TAGS)))
    return (newest, refs[Ref(TAGS + newest)]) if newest else None


def signed(gate: Gate, tag: Oid) -> bool:
    """Tell whether a tag carries a signature that counts here, whatever the repository's own settings say.

    Asked once of a tag and of what the signers' file says: neither can change without its name.
    """
    try:
        asked = tag, gate.home.allowed_signers.read_bytes()
    except OSError:
        return False
    signers = f"gpg.ssh.allowedSignersFile={gate.home.allowed_signers}"
    if asked not in _SIGNED and gate.git.run("-c", signers, "verify-tag", tag, allowed=(0, 1, 128)).ok:
        _SIGNED.add(asked)
    return asked in _SIGNED


def log_head(gate: Gate, tag: Oid) -> Oid | None:
    """Return the record that a version's tag names: the log's head when it went live."""
    lines = gate.git.read(tag).decode("utf-8", "replace").splitlines()
    return next((Oid(line.removeprefix(_LOG_TRAILER)) for line in lines if line.startswith(_LOG_TRAILER)), None)


def _refs(gate: Gate, refs: Mapping[Ref, Oid]) -> Iterator[str]:
    if gate.git.text("symbolic-ref", "HEAD") != RELEASE:
        yield "HEAD of the repository does not point at `release`."
    for ref in refs:
        if ref != RELEASE and not ref.startswith(_OURS):
            yield f"{ref} is there, and the Librarian did not make it."
    if LOG not in refs:
        yield "refs/gate/log is gone."
    if PLACEHOLDER not in refs:
        yield f"{PLACEHOLDER} is gone."
    newest = newest_tag(gate, refs)
    if newest is not None:
        yield from _version(gate, refs, *newest)


def _version(gate: Gate, refs: Mapping[Ref, Oid], version: Version, tag: Oid) -> Iterator[str]:
    if not signed(gate, tag):
        yield f"The tag {version} does not carry the Librarian's signature."
        return
    live = gate.git.resolve(f"{tag}^{{commit}}")
    if live != refs[RELEASE]:
        yield f"`release` is at {refs[RELEASE][:12]}, but the newest version, {version}, is {(live or '')[:12]}."
    head, log = log_head(gate, tag), refs.get(LOG)
    if head is not None and log is not None and not gate.git.is_ancestor(head, log):
        yield f"The audit log does not hold the record {head[:12]} that {version} was signed with."


def _settings(gate: Gate) -> Iterator[str]:
    for name in foreign_settings(gate.git):
        yield f"The repository's setting {name} was changed."
    for difference in hooks.drift(gate.home.path):
        yield f"Hooks: {difference}."
