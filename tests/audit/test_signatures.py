"""Two judges of signatures: ssh-keygen, whose word counts, and this process, which may only agree with it sooner."""

import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatekeeper.audit import signatures, sshsig
from gatekeeper.audit.stored import Stored
from gatekeeper.model import Oid
from gatekeeper.repo.sign import EMAIL

OLD, MIDDLE, NEW = 1_700_000_000, 1_750_000_000, 1_800_000_000
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519's group: a proof with it added to its second half solves the same equation, and must not count."""


@dataclass(frozen=True)
class Keys:
    """The gate's key, others, and the file of allowed signers."""

    folder: Path

    @property
    def signers(self) -> Path:
        return self.folder / "allowed_signers"

    def make(self, name: str, kind: str = "ed25519") -> str:
        argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(self.folder / name)]
        subprocess.run(argv, check=True)
        return (self.folder / f"{name}.pub").read_text().strip()

    def allow(self, public: str, options: str = 'namespaces="git"') -> None:
        with self.signers.open("a") as file:
            file.write(f"{EMAIL} {options} {public}\n")

    def sign(self, payload: bytes, name: str = "gate", *options: str, namespace: str = "git") -> bytes:
        argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(self.folder / name), *options]
        return subprocess.run(argv, input=payload, capture_output=True, check=True).stdout

    def tag(self, number: int, at: int = MIDDLE, name: str = "gate", *options: str, namespace: str = "git") -> Stored:
        payload = f"tag v0.{number}.0\ntagger L <l@x> {at} +0000\n".encode()
        signature = self.sign(payload, name, *options, namespace=namespace)
        headers: dict[str, tuple[str, ...]] = {"tagger": (f"L <l@x> {at} +0000",)}
        return Stored(Oid(f"{number:040x}"), "tag", headers, "", payload, signature, intact=True)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = Keys(tmp_path)
    made.allow(made.make("gate"))
    return made


def armoured(blob: bytes) -> bytes:
    text = base64.b64encode(blob).decode()
    lines = "\n".join(text[at : at + 70] for at in range(0, len(text), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{lines}\n-----END SSH SIGNATURE-----\n".encode()


def blob(item: Stored) -> bytes:
    return base64.b64decode(b"".join(item.signature.splitlines()[1:-1]))


def edited(change: Callable[[bytes], bytes]) -> Callable[[Keys], Stored]:
    def make(keys: Keys) -> Stored:
        item = keys.tag(1)
        return replace(item, signature=armoured(change(blob(item))))

    return make


def malleable(data: bytes) -> bytes:
    second = int.from_bytes(data[-32:], "little") + ORDER
    return data[:-32] + second.to_bytes(32, "little")


def reserved(data: bytes) -> bytes:
    return data.replace(b"\0\0\0\x03git\0\0\0\0", b"\0\0\0\x03git\0\0\0\x01x")


def another_key(keys: Keys) -> Stored:
    keys.make("other")
    return keys.tag(1, MIDDLE, "other")


def of_kind(kind: str, *, allowed: bool = True) -> Callable[[Keys], Stored]:
    def make(keys: Keys) -> Stored:
        public = keys.make(kind, kind)
        if allowed:
            keys.allow(public)
        return keys.tag(1, MIDDLE, kind)

    return make


def expired(keys: Keys) -> Stored:
    keys.signers.write_text("")
    keys.allow((keys.folder / "gate.pub").read_text().strip(), 'namespaces="git",valid-before="20240101"')
    return keys.tag(1, MIDDLE)


def for_other_purposes(keys: Keys) -> Stored:
    keys.signers.write_text("")
    keys.allow((keys.folder / "gate.pub").read_text().strip(), 'namespaces="file"')
    return keys.tag(1)


def of_somebody_else(keys: Keys) -> Stored:
    keys.signers.write_text(f"kim@x {(keys.folder / 'gate.pub').read_text()}")
    return keys.tag(1)


GOOD: dict[str, Callable[[Keys], Stored]] = {
    "good": lambda keys: keys.tag(1),
    "sha256": lambda keys: keys.tag(1, MIDDLE, "gate", "-O", "hashalg=sha256"),
    "rsa": of_kind("rsa"),
    "ecdsa": of_kind("ecdsa"),
    "lines of another length": lambda keys: replace(
        (item := keys.tag(1)),
        signature=item.signature.replace(b"\n", b"")
        .replace(b"E-----", b"E-----\n", 1)
        .replace(b"-----END", b"\n-----END")
        + b"\n",
    ),
}
BAD: dict[str, Callable[[Keys], Stored]] = {
    "no signature": lambda keys: replace(keys.tag(1), signature=b""),
    "other content": lambda keys: replace(keys.tag(1), payload=b"other"),
    "the signature of another": lambda keys: replace(keys.tag(1), signature=keys.tag(2).signature),
    "another key": another_key,
    "a listed kind, not this key": of_kind("ecdsa", allowed=False),
    "another purpose": lambda keys: keys.tag(1, namespace="file"),
    "a key that had expired": expired,
    "a key for other purposes": for_other_purposes,
    "a key of somebody else": of_somebody_else,
    "cut": edited(lambda data: data[:-1]),
    "longer": edited(lambda data: data + b"x"),
    "another version": edited(lambda data: data.replace(b"SSHSIG\0\0\0\x01", b"SSHSIG\0\0\0\x02")),
    "another magic": edited(lambda data: data.replace(b"SSHSIG", b"SSHSIX")),
    "another digest named": edited(lambda data: data.replace(b"sha512", b"sha256")),
    "an unknown digest": edited(lambda data: data.replace(b"sha512", b"md5md5")),
    "a bit of the proof": edited(lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]),
    "a bit of the key": edited(lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:]),
    "nothing in it": lambda keys: replace(keys.tag(1), signature=armoured(b"")),
    "no base64": lambda keys: replace((item := keys.tag(1)), signature=item.signature.replace(b"U", b"!", 1)),
    "no end": lambda keys: replace((item := keys.tag(1)), signature=item.signature[:-10]),
}
EITHER: dict[str, Callable[[Keys], Stored]] = {
    "something reserved": edited(reserved),
    "a proof that solves the same equation": edited(malleable),
    "a blank in it": lambda keys: replace((item := keys.tag(1)), signature=item.signature.replace(b"U", b" U", 1)),
    "words behind it": lambda keys: replace((item := keys.tag(1)), signature=item.signature + b"more\n"),
}
"""What OpenSSH's versions take differently."""


def both(keys: Keys, item: Stored, monkeypatch: pytest.MonkeyPatch) -> tuple[str | None, bool]:
    """Return what ssh-keygen says against it, and whether this process would call it good without asking."""
    with monkeypatch.context() as patched:
        patched.setattr(sshsig, "able", lambda: False)
        said = signatures.refused(keys.signers, [item]).get(item.oid)
    seal = sshsig.parse(item.signature)
    listed = seal is not None and keys.signers.read_text().count(seal.key) == 1
    return said, bool(seal and listed and sshsig.holds(seal, item.payload, b"git"))


@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_is_good_to_both_judges_together(keys: Keys, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    item = GOOD[name](keys)
    assert both(keys, item, monkeypatch)[0] is None
    around = [keys.tag(7, OLD), item, keys.tag(8), keys.tag(9, NEW)]
    assert signatures.refused(keys.signers, around) == {}


@pytest.mark.parametrize("name", [*BAD, *EITHER])
def test_what_is_bad_to_ssh_keygen_is_bad_to_both(keys: Keys, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    item = {**BAD, **EITHER}[name](keys)
    said, _ = both(keys, item, monkeypatch)
    assert said is not None or name in EITHER
    around = [keys.tag(7, OLD), item, keys.tag(8), keys.tag(9, NEW)]
    found = signatures.refused(keys.signers, around)
    assert found.get(item.oid) == said
    with monkeypatch.context() as patched:
        patched.setattr(sshsig, "able", lambda: False)
        assert signatures.refused(keys.signers, around) == found


def test_every_bit_that_is_flipped_is_no_yes(keys: Keys) -> None:
    item = keys.tag(1)
    whole = blob(item)
    for place in range(len(whole)):
        for bit in (1, 128):
            wrong = whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
            seal = sshsig.parse(armoured(wrong))
            key_is_ours = seal is not None and seal.key in keys.signers.read_text()
            assert not (seal and key_is_ours and sshsig.holds(seal, item.payload, b"git")), (place, bit)


def test_a_key_that_was_rotated_counts_for_its_own_time_only(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    old = (keys.folder / "gate.pub").read_text().strip()
    keys.signers.write_text("")
    keys.allow(old, 'namespaces="git",valid-before="20250101"')
    keys.allow(keys.make("next"), 'namespaces="git",valid-after="20250101"')
    good = [keys.tag(n, OLD + n) for n in range(3)] + [keys.tag(n, MIDDLE + n, "next") for n in range(3, 6)]
    late = keys.tag(9, NEW)
    assert signatures.refused(keys.signers, good) == {}
    assert set(signatures.refused(keys.signers, [*good, late])) == {late.oid}


def programs(keys: Keys, items: list[Stored], monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how often ssh-keygen was run."""
    folder, real = keys.folder / "bin", shutil.which("ssh-keygen")
    folder.mkdir()
    (folder / "ssh-keygen").write_text(f'#!/bin/sh\necho x >>{folder}/said\nexec {real} "$@"\n')
    (folder / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    assert signatures.refused(keys.signers, items) == {}
    return len((folder / "said").read_text().splitlines())


def test_two_programs_do_for_many_signatures(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    assert programs(keys, [keys.tag(n, OLD + n) for n in range(20)], monkeypatch) == 2


def test_a_key_on_two_lines_is_asked_about_each_time(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two spans of time it may not count."""
    keys.allow((keys.folder / "gate.pub").read_text().strip(), 'valid-after="20300101"')
    assert programs(keys, [keys.tag(n, OLD + n) for n in range(5)], monkeypatch) == 5


def test_a_time_that_no_calendar_has_is_no_crash(keys: Keys) -> None:
    item = keys.tag(1, 10**30)
    assert set(signatures.refused(keys.signers, [item])) == {item.oid}
