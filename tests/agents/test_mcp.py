"""The MCP server, spoken to over stdio by the SDK's own client."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from gatehouse import Clone, Gatehouse
from mcp import Client, StdioServerParameters


def tools(clone: Clone, talk: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
    """Start a server in the clone and return what `talk` returns."""

    async def session() -> Any:
        argv = ["-m", "gatekeeper", "mcp", "--clone", str(clone.folder)]
        server = StdioServerParameters(command=sys.executable, args=argv, env=dict(clone.env))
        async with Client(server, read_timeout_seconds=60) as client:
            return await talk(client)

    return asyncio.run(session())


def call(clone: Clone, name: str, **arguments: Any) -> dict[str, Any]:
    async def talk(client: Client) -> Any:
        done = await client.call_tool(name, arguments)
        assert not done.is_error, done.content
        return done.structured_content

    return dict(tools(clone, talk))


def test_three_tools_and_none_that_decides(gate: Gatehouse) -> None:
    async def talk(client: Client) -> Any:
        return (await client.list_tools()).tools

    found = {tool.name: tool for tool in tools(gate.clone(), talk)}
    assert set(found) == {"request", "status", "result"}
    assert [name for name, tool in found.items() if not tool.annotations.read_only_hint] == ["request"]
    assert not found["request"].annotations.destructive_hint
    assert all(tool.description for tool in found.values())


def test_from_a_request_to_its_result(gate: Gatehouse) -> None:
    clone = gate.clone("mcp-one")
    clone.commit({"sites/shop/page.txt": "shop by mcp\n"})
    asked = call(clone, "request", surface="shop", intent="Sell by mcp", artifact="build-7", id="by-mcp")
    assert (asked["id"], asked["state"], asked["exit"]) == ("by-mcp", "queued", 0)
    assert call(clone, "status", id="by-mcp")["state"] == "queued"
    assert not call(clone, "result", id="by-mcp")["done"]
    gate.tick()
    assert call(clone, "status", id="by-mcp") == {
        "id": "by-mcp",
        "state": "shipped",
        "version": gate.version,
        "exit": 0,
    }
    assert call(clone, "result", id="by-mcp")["done"]
    assert gate.answers()["shop"]["text"] == "shop by mcp"
    assert gate.result("by-mcp").agent.name == "mcp-one"


def test_a_refusal_names_what_helps(gate: Gatehouse) -> None:
    clone = gate.clone("mcp-two")
    clone.commit({"sites/shop/page.txt": "x\n"})
    told = call(clone, "request", surface="sho", intent="Sell", artifact="build-8")
    assert (told["code"], told["exit"], told["retry"]) == ("GATE-202", 11, "after_fix")
    assert "shop" in told["next"][0]
    assert 'Did you mean "shop"?' in told["said"]


def test_a_value_cannot_pass_for_an_option(gate: Gatehouse) -> None:
    clone = gate.clone("mcp-three")
    tip = clone.request("keep-me", {"sites/web/page.txt": "keep\n"})
    for id_ in ("--withdraw=keep-me", "keep-me --withdraw=keep-me"):
        assert call(clone, "status", id=id_)["exit"] == 2
    call(clone, "request", surface="web", intent="--withdraw=keep-me", artifact="--withdraw=keep-me")
    assert gate.git("rev-parse", "refs/heads/request/keep-me") == tip


def test_no_such_request(gate: Gatehouse) -> None:
    told = call(gate.clone(), "result", id="nobody")
    assert (told["exit"], told["error"]) == (3, "The gate knows no request `nobody`.")
