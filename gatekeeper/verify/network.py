"""Ways into the network namespace of a running box: a slirp4netns for builds that may reach out, a program of ours.

The box's own network never sees this machine's loopback, sockets or addresses.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

from msgspec import Struct

from gatekeeper import process
from gatekeeper.errors import GateError

_NS_GET_USERNS = 0xB701
_SETTING_UP = 10.0
_CLOSED_TO_BUILDS = ("169.254.0.0/16",)
"""Link-local: clouds hand out credentials there."""


class Inside(Struct, frozen=True):
    """A box that has just been made: the id of its first process, and a descriptor that reads as ended when it does.

    `go` is written to when a box with a network may start its command.
    """

    pid: int
    ended: int
    go: int | None = None


def connect(inside: Inside, cancel: process.Cancel | None) -> None:
    """Give a box the internet through slirp4netns, then let it start, and stay until it ends.

    slirp4netns itself writes the byte that the waiting bwrap reads, once all is configured; so nothing can run
    before. It ends with the box or with this process, whichever is first. GateError 505 when it fails.
    """
    assert inside.go is not None  # noqa: S101 - `sandbox.run` makes it for every box with a network
    with namespaces(inside) as (user, net):
        _close_own_addresses(user, net)
        try:
            done = process.run(
                _slirp(inside, user, net),
                merge=True,
                limit=4096,
                cancel=cancel,
                pass_fds=(user, net, inside.ended, inside.go),
            )
        except FileNotFoundError as missing:
            raise _no_network(f"{missing.filename} is not installed") from None
    if done.status != 0 and not done.cancelled and not select([inside.ended], [], [], 0)[0]:
        said = [line for line in done.text.splitlines() if not line.startswith("WARNING")]
        raise _no_network((said or [f"slirp4netns ended with status {done.status}"])[-1])


@contextmanager
def namespaces(inside: Inside) -> Iterator[tuple[int, int]]:
    """Hold a box's user and network namespaces open, as descriptors, so that a process id used again cannot mislead.

    The user namespace is the one that owns the network: bwrap's command lives in one further in. Its user 0 is the
    user that the box runs as.
    """
    _await_identity(inside)
    net = os.open(f"/proc/{inside.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        user = fcntl.ioctl(net, _NS_GET_USERNS)
        try:
            yield user, net
        finally:
            os.close(user)
    finally:
        os.close(net)


def _await_identity(inside: Inside) -> None:
    """Wait until bwrap has said who is who in the box: it reports before, and who enters earlier is nobody there."""
    until = time.monotonic() + _SETTING_UP
    while not all(Path(f"/proc/{inside.pid}/{name}").read_text() for name in ("uid_map", "gid_map")):
        if select([inside.ended], [], [], 0.001)[0] or time.monotonic() > until:
            raise _no_network("the sandbox ended before it was set up")


def _slirp(inside: Inside, user: int, net: int) -> tuple[str, ...]:
    root = os.geteuid() == 0
    return (
        # its sandbox unmounts all but its own, and where a mount is shared that would reach this machine's
        *(("unshare", "--mount", "--propagation", "slave", "--") if root else ()),
        "slirp4netns",
        "--configure",
        "--disable-host-loopback",
        # slirp4netns would become group 0 of the box's own user namespace, which has none
        *(("--enable-sandbox",) if root else ()),
        "--enable-seccomp",
        "--mtu=65520",
        f"--ready-fd={inside.go}",
        f"--exit-fd={inside.ended}",
        f"--userns-path=/proc/self/fd/{user}",
        "--netns-type=path",
        f"/proc/self/fd/{net}",
        "tap0",
    )


def _close_own_addresses(user: int, net: int) -> None:
    """Make this machine's addresses unreachable: what listens on 0.0.0.0 answers there too, production included.

    Only user 0 of the box may; its group is one that another user cannot take on.
    """
    where = (f"--user=/proc/self/fd/{user}", f"--net=/proc/self/fd/{net}")
    enter = ("nsenter", *where, "--preserve-credentials", "--setuid", "0", "--")
    own = process.run(("ip", "-j", "-4", "address"))
    links = json.loads(own.output or b"[]")
    addresses = [a["local"] for link in links for a in link["addr_info"] if not a["local"].startswith("127.")]
    routes = "".join(f"route add unreachable {place}\n" for place in (*_CLOSED_TO_BUILDS, *addresses))
    done = process.run((*enter, "ip", "-batch", "-"), stdin=routes.encode(), merge=True, pass_fds=(user, net))
    if not own.ok or not done.ok:
        raise _no_network(f"the routes of the sandbox cannot be set: {done.text or own.errors.decode()}")


def _no_network(why: str) -> GateError:
    return GateError(
        f"The sandbox's own network cannot be made: {why}.",
        code="GATE-505",
        hints=("apt-get install slirp4netns iproute2", "gatekeeper tick"),
    )
