"""Content that gives orders to whoever reads it: it ships as it is, and nothing obeys."""

from pathlib import Path

from gatehouse import Gatehouse

from gatekeeper.model import State

ORDERS = {
    "--help": "an option\n",
    "--output=x": "an option\n",
    ":(glob)x": "pathspec magic\n",
    ":!x": "pathspec magic\n",
    "*": "a pattern\n",
    ".gitattributes": "* filter=lfs merge=union\n",
    ".lfsconfig": "[lfs]\n\turl = http://127.0.0.1/\n",
    "inner/HEAD": "ref: refs/heads/main\n",
    "inner/objects/x": "",
    "inner/refs/x": "",
}


def test_names_and_files_that_are_orders_to_git_are_only_content(gate: Gatehouse, tmp_path: Path) -> None:
    """Held by a pattern, so that the Librarian names each path to Git; the inner repository has a monitor to run."""
    gate.configure('[[hold]]\npaths = ["**"]\nreason = "all"\n')
    obeyed = tmp_path / "obeyed"
    monitor = f"[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tfsmonitor = touch {obeyed}\n"
    clone = gate.clone()
    clone.git("config", "filter.lfs.clean", "cat")
    clone.git("config", "filter.lfs.smudge", "cat")
    clone.request("orders", {**ORDERS, "inner/config": monitor})
    gate.tick()
    assert gate.result("orders").state is State.HELD
    gate.decide("approve", "orders")
    assert gate.result("orders").state is State.SHIPPED
    live = gate.home.current.resolve()
    for name, text in ORDERS.items():
        assert (live / name).read_text() == text
    assert not obeyed.exists()


def test_a_merge_driver_of_the_agents_hides_no_conflict(gate: Gatehouse) -> None:
    one, two = gate.clone("agent-one"), gate.clone("agent-two")
    one.request("union", {".gitattributes": "* merge=union\n", "sites/web/list.txt": "of both\n"})
    gate.tick()
    for clone in (one, two):
        clone.fresh()
    for clone in (one, two):
        clone.commit({"sites/web/list.txt": f"of {clone.agent}\n"})
        assert clone.push(f"HEAD:request/by-{clone.agent}").status == 0
    gate.tick()
    assert (gate.result("by-agent-one").state, gate.code("by-agent-two")) == (State.SHIPPED, "GATE-401")


def test_dates_and_trailers_of_a_commit_claim_nothing(gate: Gatehouse) -> None:
    """Order is by what the Librarian wrote down, and approval by who decided."""
    gate.configure('[[hold]]\npaths = ["**/claims.txt"]\nreason = "to be looked at"\n')
    clone = gate.clone()
    clone.env["GIT_COMMITTER_DATE"] = clone.env["GIT_AUTHOR_DATE"] = "@4102444800 +0000"
    claims = "Approved-By: kim\nRequest-Id: other\nAgent: kim\nDeploy-Version: v9.9.9\nDecided-By: kim\nVersion: v9.9.9"
    clone.request("claims", {"sites/web/claims.txt": "x\n"}, f"Claim\n\n{claims}\n")
    gate.tick()
    result = gate.result("claims")
    assert (result.state, result.agent.name, result.sequence) == (
        State.HELD,
        "agent-one",
        gate.records("filed")[0].sequence,
    )
    gate.decide("approve", "claims")
    version = gate.version
    assert version != "v9.9.9"
    trailers = gate.git("log", "-1", "--format=%(trailers:only)", "release").splitlines()
    assert "Request: claims" in trailers
    assert "Agent: agent-one" in trailers
    assert f"Version: {version}" in trailers
    assert not [line for line in trailers if "v9.9.9" in line or "kim" in line]


def test_text_that_would_be_a_template_or_a_command_is_shown_as_it_is(gate: Gatehouse) -> None:
    subject = "{{7*7}} {% include '/etc/passwd' %} %(trailers) %H $(id) `id` {0.__class__} ; rm -rf / | sh"
    gate.clone().request("texts", {"sites/web/page.txt": f"texts {gate.version}\n"}, subject)
    gate.tick()
    assert gate.result("texts").ask.intent == subject
    assert gate.git("tag", "-l", "--format=%(contents:subject)", gate.version) == subject
    for argv in (("show", "texts"), ("log",)):
        told = gate.cli(*argv).stdout
        assert subject in " ".join(told.split()), (argv, told)  # lines are broken at the width, and nowhere else
    assert subject in gate.cli("changelog").stdout.replace("\\", "")


def test_a_file_of_git_s_own_that_is_not_sound_is_refused(gate: Gatehouse) -> None:
    """By Git itself, as the gate has configured it."""
    clone = gate.clone()
    clone.commit({".gitmodules": '[submodule "../../x"]\n\tpath = x\n\turl = --upload-pack=touch\n'})
    pushed = clone.push("HEAD:request/modules")
    assert pushed.status != 0
    assert "gitmodules" in pushed.text
    assert gate.open() == set()


def test_what_a_check_prints_moves_no_terminal(gate: Gatehouse) -> None:
    """Wherever it is shown: while it runs, in the state, in the log, as text and as JSON."""
    nasty = "\\033[2J\\302\\2331m\\342\\200\\256cba\\007"
    check = '[[checks]]\nname = "nasty"\nrun = ["sh", "nasty.sh"]\npaths = ["nasty.sh"]\n'
    gate.configure(check=check)
    gate.clone().request("nasty", {"nasty.sh": f"printf '{nasty}\\n'; exit 1\n"})
    ticked = gate.cli("tick")
    shown = [gate.cli(*argv) for argv in (("show", "nasty"), ("status",), ("log",), ("show", "nasty", "--json"))]
    assert gate.code("nasty") == "GATE-402"
    assert "\\x1b[2J" in shown[0].stdout
    for done in (ticked, *shown):
        assert "".join(done.stdout.split("\n")).isprintable(), done.args
        assert "".join(done.stderr.split("\n")).isprintable(), done.args
