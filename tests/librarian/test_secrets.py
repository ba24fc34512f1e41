"""What only a site should know is in no record, result, message or log, whoever prints it."""

from gatehouse import CHECK, Gatehouse

from gatekeeper.model import State

TOKEN = "t0ken-of-the-shop"  # noqa: S105
MIGRATE = """data = ["data"]
env_file = "var/env/shop"
migrate = ["sh", "-c", "echo migrating with $TOKEN; test ! -e fail"]
migrate_paths = ["sites/shop/migrations"]
"""


def told(gate: Gatehouse) -> str:
    """Return all that the gate has said or kept for people."""
    kept = [path.read_text("utf-8", "replace") for path in gate.home.logs.iterdir()]
    records = gate.git("log", "-p", "--format=%B", "refs/gate/log")
    results = "".join(gate.git("cat-file", "-p", oid) for oid in gate.refs("refs/gate/results/").values())
    shown = [gate.cli(*argv).stdout for argv in (("status",), ("status", "--json"), ("log",), ("show", "leaks"))]
    return "\n".join((*kept, records, results, *shown, *gate.told))


def test_a_token_that_is_printed_is_masked_everywhere(gate: Gatehouse) -> None:
    (gate.home.var / "env").mkdir(exist_ok=True)
    (gate.home.var / "env" / "shop").write_text(f"TOKEN={TOKEN}\n")
    (gate.home.var / "env" / "shop").chmod(0o600)
    check = CHECK.replace('"sh", "test.sh"', '"sh", "-c", "cat page.txt; ! grep REFUSE page.txt"')
    text = gate.configure(check=check)
    gate.home.sites_toml.write_text(text.replace('data = ["data"]', MIGRATE, 1))
    clone = gate.clone()

    clone.request("leaks", {"sites/shop/migrations/1": "x", "sites/shop/page.txt": f"{TOKEN} passes\n"})
    gate.tick()
    assert gate.result("leaks").state is State.SHIPPED
    migrated = next(path for path in gate.home.logs.glob("migrate-*-shop.log"))
    assert migrated.read_text() == "migrating with [secret]\n"

    clone.request("red", {"sites/shop/page.txt": f"REFUSE {TOKEN}\n"})
    gate.tick()
    reason = gate.result("red").reason
    assert reason is not None
    assert reason.code == "GATE-402"
    assert "REFUSE [secret]" in reason.text
    assert TOKEN not in told(gate)
    assert clone.push(":request/red").status == 0

    server = (clone.folder / "sites/shop/server.js").read_text()
    clone.request(
        "answers",
        {
            "sites/shop/server.js": server.replace("'v9.9.9'", "process.env.TOKEN"),
            "sites/shop/page.txt": "OTHER VERSION\n",
        },
    )
    gate.configure(check="", sites={"shop": 'env_file = "var/env/shop"\nboot_check = false\n'})
    gate.tick()
    reason = gate.result("answers").reason
    assert reason is not None
    assert reason.code == "GATE-404"
    assert "reports version [secret]" in reason.text
    assert TOKEN not in told(gate)
