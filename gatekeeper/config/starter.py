"""The annotated sites.toml that travels with the package: the demo's configuration, and a new gate's first one."""

import re
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_EXAMPLE = re.compile(r"^\[\[(?:builds|checks)]]$|^\[sites\.(?P<site>.+)]$", re.MULTILINE)


def annotated() -> str:
    """Return the file as it is, with the six sites of the demo."""
    inside = _PACKAGE / "sites.toml"  # in the wheel; in a checkout it stands beside the package
    return (inside if inside.exists() else _PACKAGE.parent / "sites.toml").read_text(encoding="utf-8")


def starter() -> str:
    """Return the file for a new gate: its builds, checks and first site are commented out, the others left out."""
    paragraphs = annotated().split("\n\n")
    heads = [_EXAMPLE.search(paragraph) for paragraph in paragraphs]
    sites = [paragraph for paragraph, head in zip(paragraphs, heads, strict=True) if head and head["site"]]
    return "\n\n".join(
        _commented(paragraph) if head else paragraph
        for paragraph, head in zip(paragraphs, heads, strict=True)
        if paragraph not in sites[1:]
    )


def _commented(paragraph: str) -> str:
    return "\n".join(line if line.startswith("#") else f"#{line}" for line in paragraph.split("\n"))
