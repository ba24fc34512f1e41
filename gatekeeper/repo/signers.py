"""The text of a file of allowed signers, as ssh-keygen(1) has it: which keys count, and an old one until when."""

from gatekeeper.repo.sign import EMAIL, NAMESPACE


def line(public: str) -> str:
    """Return the line that lets a key sign for the Librarian; `public` is its type and its base64."""
    return f'{EMAIL} namespaces="git,{NAMESPACE}" {public}\n'


def handed_over(text: str, old: str, new: str, until: str) -> str:
    """Return the text with `new` in it, and `old` good for what was signed until then (YYYYMMDDHHMMSSZ).

    What it says already stays: doing it twice changes nothing.
    """
    lines = [_limited(one, old, until) if old in one else one for one in text.splitlines(keepends=True)]
    return "".join(lines) + ("" if new in text else line(new))


def _limited(one: str, key: str, until: str) -> str:
    head, _, rest = one.partition(key)
    who, _, options = head.strip().partition(" ")
    if "valid-before" in options:
        return one
    wanted = ",".join(filter(None, (options.strip(), f'valid-before="{until}"')))
    return f"{who} {wanted} {key}{rest}"
