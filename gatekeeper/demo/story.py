"""The story, act by act: one sentence, then the commands as typed and what they really print."""

import time
import urllib.request
from collections.abc import Callable

from gatekeeper.demo.prepare import clone
from gatekeeper.demo.stage import Stage, wrong
from gatekeeper.demo.witness import summed_up

_START, _FIRST, _SECOND, _THIRD, _BACK = "v0.1.0", "v0.1.1", "v0.1.2", "v0.1.3", "v0.1.4"
_PROMISE = "Lamps, mugs and chairs, since this morning."


def play(stage: Stage) -> None:
    """Play all acts in order. Raises GateError at the first that does not end as told."""
    acts: tuple[Callable[[Stage], None], ...] = (begin, refused, shipped, conflict, broken, rolled_back, told)
    for number, act in enumerate(acts):
        stage.tell("")
        stage.tell(f"== {number}. {(act.__doc__ or '').rstrip('.')} ==")
        act(stage)


def begin(stage: Stage) -> None:
    """A gate before six sites."""
    stage.say("Kim, the operator, makes a gate out of an ordinary repository, and says in sites.toml what it ships.")
    stage.type("kim", "gatekeeper init gate --from app", shows=("not live yet",))
    stage.type("kim", "cp sites.toml gate/sites.toml")
    stage.type("kim", "gatekeeper config check", shows=("6 sites",))
    stage.say("The first heartbeat verifies what it was given, starts the six sites and tags the version.")
    stage.start_librarian()
    stage.witness.start()
    stage.show_sites(_START)
    for agent in ("codex-1", "claude-2"):
        clone(stage, agent)


def refused(stage: Stage) -> None:
    """A push to `release` is refused."""
    stage.say("An agent repairs the shop, and does what it is used to do: it pushes to the branch that is live.")
    line = '<ul>${rows.join("")}</ul>'
    stage.edit("codex-1", "sites/shop/site.js", line, f"{line}<p>Free delivery from 50 €.</p>")
    stage.type("codex-1", 'git commit -qam "Say that delivery is free from 50 €"', cwd="codex-1")
    stage.type("codex-1", "git push origin HEAD:release", status=1, shows=("GATE-101",), cwd="codex-1")


def shipped(stage: Stage) -> None:
    """A request is filed, verified, and live on six sites."""
    stage.say("So it asks: the same commit, as a request. Its part is done when the request is filed.")
    pushed = time.monotonic()
    push = "git push origin HEAD:request/free-delivery"
    stage.type("codex-1", push, shows=("success: request free-delivery filed",), cwd="codex-1")
    stage.type("codex-1", "request-deploy --wait free-delivery", shows=("shipped",), cwd="codex-1")
    live = stage.live_at(_FIRST) - pushed
    stage.tell(f"  -> from the push to six sites on {_FIRST}: {live:.1f} seconds")
    stage.show_sites(_FIRST)


def conflict(stage: Stage) -> None:
    """Two agents change one line; a person settles it in an ordinary clone."""
    stage.say("Both agents change the same sentence of the front page.")
    stage.type("codex-1", "git pull -q origin release", cwd="codex-1")
    for agent, words in (("codex-1", "at fair prices."), ("claude-2", "made to last.")):
        stage.edit(agent, "sites/web/site.js", _PROMISE, f"Lamps, mugs and chairs, {words}")
        stage.type(agent, f'git commit -qam "Say that our goods are {words}"', cwd=agent)
    stage.type("codex-1", "git push -q origin HEAD:request/fair", shows=("filed",), cwd="codex-1")
    stage.type("claude-2", "git push -q origin HEAD:request/lasting", shows=("filed",), cwd="claude-2")
    stage.type("codex-1", "request-deploy --wait fair", shows=("shipped",), cwd="codex-1")
    stage.type("claude-2", "request-deploy --wait lasting", status=10, shows=("GATE-401",), cwd="claude-2")
    stage.say("The second is blocked and its branch kept. Kim merges by hand, and pushes to the same request.")
    clone(stage, "kim")
    stage.type("kim", "git checkout -q -b lasting origin/request/lasting", cwd="kim")
    stage.type("kim", "git merge origin/release", status=1, shows=("CONFLICT",), cwd="kim")
    _settle(stage)
    stage.type("kim", 'git commit -qam "Merge release: fair prices, made to last"', cwd="kim")
    stage.type("kim", "git push -q origin HEAD:request/lasting", shows=("updated",), cwd="kim")
    stage.type("kim", "gatekeeper wait lasting", shows=("shipped",))
    stage.show_sites(_THIRD)


def _settle(stage: Stage) -> None:
    file = stage.root / "kim" / "sites" / "web" / "site.js"
    text = file.read_text("utf-8")
    ours, theirs = text.index("<<<<<<<"), text.index(">>>>>>>")
    block = text[ours : text.index("\n", theirs) + 1]
    line = next(line for line in block.splitlines() if "at fair prices." in line)
    settled = line.replace("at fair prices.", "at fair prices, made to last.")
    stage.edit("kim", "sites/web/site.js", block, f"{settled}\n")


def broken(stage: Stage) -> None:
    """A release that breaks when it is live is put back by itself."""
    stage.say(
        "A visitor uploads a photo to the blog. It lies in the gate's data folder, which no check ever sees. Then an "
        "agent adds captions that are read at the start, one a photo: every check passes, for there is no photo there."
    )
    _upload(stage)
    stage.type("claude-2", "git fetch -q origin", cwd="claude-2")
    stage.type("claude-2", "git checkout -q -B captions origin/release", cwd="claude-2")
    before = "let stopping = false;"
    read = 'uploads.list().map((name) => require("node:fs").readFileSync(`${uploads.folder}/${name}.txt`, "utf8"))'
    stage.edit("claude-2", "sites/blog/server.js", before, f"const captions = {read};\n{before}")
    stage.edit("claude-2", "sites/blog/server.js", '|| "nothing yet"}</p>', '|| "nothing yet"}</p><p>${captions}</p>')
    stage.type("claude-2", 'git commit -qam "Show captions"', cwd="claude-2")
    asked = 'request-deploy --surface blog --intent "Show a caption below each photo" --artifact blog-2 --bump minor'
    began = time.monotonic()
    stage.type("claude-2", f"{asked} --id captions --wait", status=10, shows=("GATE-404",), cwd="claude-2")
    stage.live_at(_THIRD)
    stage.say("What a visitor of each site was served meanwhile, asked without a pause:")
    for site, spells in stage.witness.since(began).items():
        stage.tell(f"  {site:<11} {summed_up(spells, _THIRD)}")
        if spells[-1].said != _THIRD:
            raise wrong(f"{site} is not back on {_THIRD}.")
    stage.type("kim", "git ls-remote origin release", cwd="kim")
    stage.type("kim", "gatekeeper show captions", shows=("GATE-404",))


def _upload(stage: Stage) -> None:
    address = f"http://127.0.0.1:{stage.ports['blog']}/uploads/photo.jpg"
    stage.tell(f"visitor PUT {address}")
    with urllib.request.urlopen(urllib.request.Request(address, b"a photo", method="PUT"), timeout=10) as answer:
        stage.tell(f"  {answer.status} {answer.read().decode().strip()}")


def rolled_back(stage: Stage) -> None:
    """A rollback is one command."""
    stage.say("The front page promises too much: Kim goes back, and every request that this takes out is named.")
    stage.type("kim", 'gatekeeper rollback -m "the front page promises too much"', shows=("takes out lasting",))
    stage.show_sites(_BACK)


def told(stage: Stage) -> None:
    """What is left to read."""
    stage.say("`release` tells the truth: what went live, in order. Nothing that failed is in it.")
    stage.type("kim", "git fetch -q origin", cwd="kim")
    stage.type("kim", "git log --first-parent --oneline --decorate --decorate-refs=refs/tags origin/release", cwd="kim")
    stage.type("kim", "gatekeeper status", shows=("6 of 6 healthy",))
