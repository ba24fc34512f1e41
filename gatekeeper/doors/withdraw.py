"""Answers a push in receive-pack's place: where one ref is deleted, and where receive-pack must not see it at all.

The judgement is the hook's own. A ref is deleted by its old value, so that a request that moved stays.
"""

from contextlib import closing

from gatekeeper import process
from gatekeeper.doors import box
from gatekeeper.doors.commands import Push
from gatekeeper.doors.visitor import pass_of
from gatekeeper.doors.wire import FLUSH, Wire, band, packet
from gatekeeper.home import Home
from gatekeeper.model import NO_OID, Actor
from gatekeeper.policy.answer import brief
from gatekeeper.repo import childgit, compiled, posted, receive

_DECLINED = b"pre-receive hook declined"
_MOVED = b"the request has moved on; fetch it and look again"


def answer(home: Home, who: Actor, push: Push, wire: Wire) -> None:
    """Judge the push, carry out its deletion when it is allowed, and report as receive-pack does."""
    text = _judged(home, who, push)
    if text or push.deletion is None:
        _report(wire, push, text or "error: GATE-501 the door could not read this push.\n", _DECLINED)
        return
    ref, old = push.deletion
    deleted = _delete(home, ref, old)
    said = posted.answer_to(str(home.path), NO_OID, ref) if deleted else ""
    if deleted:
        posted.wake(str(home.bell))
    _report(wire, push, said, None if deleted else _MOVED)


def _judged(home: Home, who: Actor, push: Push) -> str:
    environment = box.environment(**pass_of(who), **_named(push.options))
    try:
        policy = compiled.load(str(home.path))
    except compiled.Unreadable as problem:
        return f"error: GATE-501 {brief(problem)}. Nothing was changed.\n"
    with closing(childgit.runner(str(home.repo), environment)) as git:
        return receive.Door(str(home.path), policy, environment, git).judge(push.lines)


def _named(options: tuple[bytes, ...]) -> dict[str, str]:
    """Return the push options as the hook finds them, cut to what an environment can hold."""
    texts = [option.replace(b"\0", b"").decode("utf-8", "replace") for option in options]
    named = {f"GIT_PUSH_OPTION_{at}": text for at, text in enumerate(texts)}
    return {"GIT_PUSH_OPTION_COUNT": str(len(texts)), **named}


def _delete(home: Home, ref: str, old: str) -> bool:
    # A request that somebody made a symbolic ref must not pass its deletion on to what it names.
    argv = ("git", f"--git-dir={home.repo}", "update-ref", "--no-deref", "-d", ref, old)
    return process.run(argv, env=box.environment()).ok


def _report(wire: Wire, push: Push, text: str, problem: bytes | None) -> None:
    lines = [b"ok %s\n" % ref if problem is None else b"ng %s %s\n" % (ref, problem) for ref in push.refs]
    report = b"".join(map(packet, (b"unpack ok\n", *lines))) + FLUSH
    wanted = any(ability.startswith(b"report-status") for ability in push.abilities)
    if b"side-band-64k" in push.abilities:
        wire.send(band(2, text.encode("utf-8", "backslashreplace")) + band(1, report if wanted else b"") + FLUSH)
    elif wanted:
        wire.send(report)
