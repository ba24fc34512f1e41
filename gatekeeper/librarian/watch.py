"""Looks, at each heartbeat, whether anybody but the Librarian wrote what only the Librarian writes. Mends nothing.

It asks what can be known cheaply; `gatekeeper audit verify` proves the whole history.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from gatekeeper.gate import Gate
from gatekeeper.librarian.present import Tagged, newest_of_ours
from gatekeeper.model import LOG, RELEASE, REQUESTS, TAGS, Oid, Ref
from gatekeeper.repo import hooks
from gatekeeper.repo.create import PLACEHOLDER, foreign_settings

_OURS = ("refs/gate/", REQUESTS, TAGS)
_SIGNED = set[tuple[Oid, bytes]]()
"""Tags that proved to be signed, each with the signers' file that it was proved by. A failure is asked again."""
_HELD = dict[tuple[Path, Oid], Oid]()
"""By repository and record: the head of the log that was last proved to hold it."""


def tampering(gate: Gate, refs: Mapping[Ref, Oid]) -> tuple[str, ...]:
    """Return what is not as the Librarian left it, a sentence each."""
    return (*_refs(gate, refs), *_settings(gate))


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


def holds(gate: Gate, log: Oid, record: Oid) -> bool:
    """Return whether the log at `log` holds a record. Where an older head was proved to, it need only hold that."""
    key = gate.home.repo, record
    before = _HELD.pop(key, None)
    grown = log == record or (before is not None and (before == log or gate.git.is_ancestor(before, log)))
    held = grown or gate.git.is_ancestor(record, log)
    if held:
        _HELD[key] = log
    return held


def _refs(gate: Gate, refs: Mapping[Ref, Oid]) -> Iterator[str]:
    if gate.git.head() != RELEASE:
        yield "HEAD of the repository does not point at `release`."
    for ref in refs:
        if ref != RELEASE and not ref.startswith(_OURS):
            yield f"{ref} is there, and the Librarian did not make it."
    if LOG not in refs:
        yield "refs/gate/log is gone."
    if PLACEHOLDER not in refs:
        yield f"{PLACEHOLDER} is gone."
    newest = newest_of_ours(gate.git, refs)
    if newest is not None:
        yield from _version(gate, refs, newest)


def _version(gate: Gate, refs: Mapping[Ref, Oid], newest: Tagged) -> Iterator[str]:
    version, tag = newest.version, newest.tag
    if not signed(gate, newest.oid):
        yield f"The tag {version} does not carry the Librarian's signature."
        return
    if tag.commit != refs[RELEASE]:
        yield f"`release` is at {refs[RELEASE][:12]}, but the newest version, {version}, is {(tag.commit or '')[:12]}."
    log = refs.get(LOG)
    if tag.log is not None and log is not None and not holds(gate, log, tag.log):
        yield f"The audit log does not hold the record {tag.log[:12]} that {version} was signed with."


def _settings(gate: Gate) -> Iterator[str]:
    for name in foreign_settings(gate.git):
        yield f"The repository's setting {name} was changed."
    for difference in hooks.drift(gate.home.path):
        yield f"Hooks: {difference}."
