"""Reads SSH signatures of Ed25519 and checks them in this process: ten thousand in the time of a few hundred programs.

It only ever says yes, and only to the plainest form that there is; whatever else there is, is ssh-keygen's to judge
(docs/decisions/0033). The form is OpenSSH's PROTOCOL.sshsig; the mathematics is the `cryptography` package's, an extra.
"""

import base64
import hashlib

from msgspec import Struct

_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----\n", "\n-----END SSH SIGNATURE-----\n"
_MAGIC = b"SSHSIG"
_KIND = b"ssh-ed25519"
_DIGESTS = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}


class Seal(Struct, frozen=True):
    """What a signature consists of."""

    key: str
    """The public key as a line of allowed signers spells it."""
    point: bytes
    namespace: bytes
    digest: bytes
    proof: bytes


def able() -> bool:
    """Return whether the package is there that checks signatures."""
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401, PLC0415 - an extra, and 50 ms
    except ImportError:
        return False
    return True


def parse(armoured: bytes) -> Seal | None:
    """Return what is in it, or None when it is not the plainest form, to the byte."""
    try:
        text = armoured.decode("ascii")
        if not (text.startswith(_BEGIN) and text.endswith(_END)):
            return None
        blob = base64.b64decode(text[len(_BEGIN) : -len(_END)].replace("\n", ""), validate=True)
        return _read(blob)
    except ValueError:
        return None


def holds(seal: Seal, payload: bytes, namespace: bytes) -> bool:
    """Return whether the seal's key signed this, for this purpose. Whose key that is, it does not say."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    if seal.namespace != namespace:
        return False
    summed = _DIGESTS[seal.digest](payload).digest()
    signed = _MAGIC + b"".join(map(_string, (seal.namespace, b"", seal.digest, summed)))
    try:
        Ed25519PublicKey.from_public_bytes(seal.point).verify(seal.proof, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _read(blob: bytes) -> Seal | None:
    """Take the parts apart; ValueError where they do not add up."""
    head = _MAGIC + (1).to_bytes(4, "big")
    key, namespace, reserved, digest, signature = _strings(blob.removeprefix(head), 5)
    kind, point = _strings(key, 2)
    scheme, proof = _strings(signature, 2)
    plain = blob.startswith(head) and not reserved and digest in _DIGESTS and kind == scheme == _KIND
    if not plain or (len(point), len(proof)) != (32, 64):
        return None
    return Seal(base64.b64encode(key).decode(), point, namespace, digest, proof)


def _strings(data: bytes, count: int) -> list[bytes]:
    found, at = list[bytes](), 0
    for _ in range(count):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : end])
        at = end
    if at != len(data):
        raise ValueError("longer or shorter than its parts")
    return found


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
