"""Writes commits and tags that the Librarian signs with its SSH key. Writes objects only, never a ref."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from gatekeeper import fault, process
from gatekeeper.errors import GateError
from gatekeeper.model import Oid, Version
from gatekeeper.repo.git import Git

NAME = "Librarian"
EMAIL = "librarian@gatekeeper.invalid"
NAMESPACE = "gatekeeper"
"""Of the signatures of what is no Git object."""


class Signer(Struct, frozen=True):
    """The Librarian's identity: its private key, and the repository that it writes to."""

    git: Git
    key: Path

    def commit(
        self,
        *,
        tree: Oid,
        parents: tuple[Oid, ...],
        message: str,
        at: float,
        author: Mapping[str, str] | None = None,
        signed: bool = True,
    ) -> Oid:
        """Write a commit, the message verbatim. `author` holds GIT_AUTHOR_*; without it the Librarian is the author."""
        settings = (
            "-c",
            "gpg.format=ssh",
            "-c",
            f"user.signingkey={self.key}",
            "-c",
            "i18n.commitEncoding=utf-8",
        )
        flags = ("-S",) if signed else ("--no-gpg-sign",)
        chain = tuple(word for parent in parents for word in ("-p", parent))
        env = {**_person("AUTHOR", at), **_person("COMMITTER", at), **(author or {})}
        args = (*settings, "commit-tree", *flags, *chain, tree)
        # Git leaves what it hands to ssh-keygen behind when that fails, as on a full disk.
        with self._scratch() as scratch, fault.step(f"object: {message.splitlines()[0]}"):
            return Oid(self.git.text(*args, stdin=message.encode(), env={**env, "TMPDIR": scratch}))

    def tag(self, *, commit: Oid, version: Version, message: str, at: float) -> Oid:
        """Write an annotated, signed tag object for `commit`; the ref is the caller's to move."""
        body = message if message.endswith("\n") else message + "\n"
        head = f"object {commit}\ntype commit\ntag {version}\ntagger {NAME} <{EMAIL}> {int(at)} +0000\n\n"
        payload = (head + body).encode()
        signed = payload + self._signature(payload)
        with fault.step(f"object: tag {version}"):
            return Oid(self.git.text("hash-object", "-t", "tag", "-w", "--stdin", stdin=signed))

    def detached(self, content: bytes, *, namespace: str = NAMESPACE) -> bytes:
        """Return an armoured signature of a file; it cannot pass for one of a Git object."""
        return self._signature(content, namespace=namespace)

    def _scratch(self) -> tempfile.TemporaryDirectory[str]:
        """Return a folder that goes when it is left, or at the next start."""
        return tempfile.TemporaryDirectory(prefix="sign-", dir=self.git.folder)

    def _signature(self, payload: bytes, *, namespace: str = "git") -> bytes:
        with self._scratch() as folder:
            text = Path(folder, "payload")
            text.write_bytes(payload)
            with fault.step("sign"):
                done = process.run(("ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(self.key), str(text)))
            if not done.ok:
                raise GateError(f"The signing key {self.key} could not sign: {done.errors.decode('utf-8', 'replace')}")
            return Path(folder, "payload.sig").read_bytes()


def new_key(path: Path) -> str:
    """Make an Ed25519 key pair without a passphrase at `path`; return the public key's line."""
    try:
        done = process.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", EMAIL, "-f", str(path)))
    except FileNotFoundError as missing:
        raise GateError("ssh-keygen is not installed.", hints=("apt-get install openssh-client",)) from missing
    if not done.ok:
        raise GateError(f"ssh-keygen could not make {path}: {done.errors.decode('utf-8', 'replace')}")
    return path.with_suffix(".pub").read_text().strip()


def _person(role: str, at: float) -> dict[str, str]:
    return {f"GIT_{role}_NAME": NAME, f"GIT_{role}_EMAIL": EMAIL, f"GIT_{role}_DATE": f"@{int(at)} +0000"}
