"""`gatekeeper explain`: the page of a code, or the list of them all. Needs no gate."""

import difflib
import json
import re

import click

from gatekeeper import messages
from gatekeeper.assets import folder
from gatekeeper.commands import completing
from gatekeeper.errors import Exit, GateError

_CODE = re.compile(r"(?:GATE-?)?([0-9]+)", re.IGNORECASE)


@click.command("explain")
@click.argument("code", required=False, shell_complete=completing.codes)
@click.option("--runbook", is_flag=True, help="The operator's book on it: what you see, what settles it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def explain(code: str | None, *, runbook: bool, as_json: bool) -> None:
    """Say what CODE means, why the rule is there and what to do. Without CODE: list all codes.

    Example: gatekeeper explain GATE-402
    """
    if code is None:
        titles = {known: messages.title(known) for known in codes()}
        found: dict[str, object] = {"codes": [{"code": known, "title": title} for known, title in titles.items()]}
        text = "\n".join(f"{known}  {title}" for known, title in titles.items())
    else:
        page = _page(code).rstrip("\n")
        place, section = messages.runbook(_spelled(code)) or (None, None)
        text = page if place is None else f"{page}\n\nRunbook: {place}, or --runbook"
        if runbook:
            text = section or f"{page}\n\nNo operator meets this code: it is answered at the door."
        found = {"code": _spelled(code), "title": messages.title(_spelled(code)), "text": text, "runbook": place}
    click.echo(json.dumps({"schema": 1, **found}) if as_json else text)


def codes() -> list[str]:
    """Return every code that has a page, in order."""
    return sorted(page.stem for page in (folder("templates") / "explain").glob("GATE-*.md"))


def _page(code: str) -> str:
    text = messages.explain(_spelled(code)) if _CODE.fullmatch(code) else None
    if text is not None:
        return text
    titled = [known for known in codes() if code.lower() in messages.title(known).lower()]
    near = titled[:3] or difflib.get_close_matches(_spelled(code), codes(), n=3)
    raise GateError(
        f"There is no code `{code}`.",
        hints=(
            *(f"Did you mean {known}, {messages.title(known)}?" for known in near),
            "All of them: gatekeeper explain",
        ),
        exit=Exit.NOT_FOUND,
    )


def _spelled(code: str) -> str:
    """Return the code as pages are named: 202, gate-202 and GATE202 are GATE-202."""
    number = _CODE.fullmatch(code)
    return f"GATE-{number[1]}" if number else code.upper()
