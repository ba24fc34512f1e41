"""Which entries of the spool have served their purpose: what they announced is in the log, or never came to be."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from gatekeeper.model import RequestId, Result, State
from gatekeeper.repo.spool import Entry

_FORGOTTEN = 3600.0


def spent(
    entries: Sequence[Entry],
    known: Mapping[RequestId, Result],
    gone: Collection[RequestId],
    pending: Collection[RequestId],
    now: float,
) -> tuple[str, ...]:
    """Return the files to seal. `gone` are ids without a ref, looked at after the entries were read.

    `pending` are the ids whose ref moved or went and nobody has filed it yet: what tells of them has no age.
    """
    over = [entry for entry in entries if _over(entry, known, gone, pending, now)]
    newest = {id_of(entry): entry.file for entry in over if entry.event in ("pushing", "withdraw")}
    older = [entry for entry in entries if entry.event == "pushing" and entry.file < newest.get(id_of(entry), "")]
    return tuple(sorted({entry.file for entry in (*over, *older)}))


def unheard(entry: Entry, known: Mapping[RequestId, Result]) -> bool:
    """Tell whether it is the wish to withdraw a request that was gone before anybody had seen it."""
    return entry.event == "withdraw" and id_of(entry) not in known


def ended(result: Result) -> bool:
    """Tell whether the gate is done with a request."""
    return result.state.final or (result.ask.try_only and result.state is State.VERIFIED)


def id_of(entry: Entry) -> RequestId:
    """Return the id of the request that an entry is about."""
    return RequestId(str(entry.fields.get("id")))


def _over(
    entry: Entry,
    known: Mapping[RequestId, Result],
    gone: Collection[RequestId],
    pending: Collection[RequestId],
    now: float,
) -> bool:
    """A push is spent once its tip is filed, or when no ref ever came of it; a wish to withdraw, once it is closed."""
    result = known.get(id_of(entry))
    written = datetime.fromisoformat(str(entry.fields.get("at", "1970-01-01T00:00:00Z"))).astimezone(UTC).timestamp()
    never_came = now - written > _FORGOTTEN and id_of(entry) not in pending
    match entry.event:
        case "pushing":
            filed = result is not None and result.tip == entry.fields.get("new") and not result.state.final
            return filed or never_came
        case "withdraw":
            closed = ended(result) if result is not None else id_of(entry) in gone
            return closed or never_came
        case "decision":
            return False
        case _:
            return True
