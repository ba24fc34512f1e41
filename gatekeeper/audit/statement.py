"""What was verified, for each version, in the form of in-toto and SLSA: a pure function of the signed record.

A statement is stored nowhere else (docs/decisions/0010): its record is in the log, which the version's tag signs.
"""

from typing import Any

from gatekeeper.audit.shipped import Live
from gatekeeper.repo.sign import EMAIL

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/verification_summary/v1"


def of(live: Live) -> dict[str, Any]:
    """Return the statement on a version: what it is, who verified it, by which rules, from what, with which result.

    Everything in `gatekeeper` is beyond the SLSA predicate, which allows it: the requests, each check's verdict.
    """
    record = live.link.record
    data = record.data
    red = [item["job"] for item in data.get("verified", []) if item.get("outcome") != "passed"]
    return {
        "_type": TYPE,
        "subject": [{"name": live.version, "digest": {"gitCommit": live.commit, "gitTree": live.tree}}],
        "predicateType": PREDICATE,
        "predicate": {
            "verifier": {"id": EMAIL, "version": {"gatekeeper": data.get("gatekeeper", "")}},
            "timeVerified": record.at,
            "resourceUri": f"git:refs/tags/{live.version}",
            "policy": {"uri": "sites.toml", "digest": {"gatekeeper": data.get("policy", "")}},
            "inputAttestations": [_input(item) for item in data.get("verified", [])],
            "verificationResult": "FAILED" if red else "PASSED",
            "verifiedLevels": [],
            "gatekeeper": {
                "record": {"sequence": record.sequence, "commit": live.link.commit.oid, "mode": record.mode},
                "cause": live.cause,
                "requests": [{"id": request, "tip": tip} for request, tip in live.requests],
                "red_on_release_too": red,
                **{name: data[name] for name in ("rollback_to", "takes_out", "by") if name in data},
            },
        },
    }


def _input(verdict: dict[str, str]) -> dict[str, Any]:
    return {"uri": f"check:{verdict.get('job', '')}", "digest": {"gatekeeper": verdict.get("key", "")}}
