"""One entry of pm2's list as a frozen value. pm2 tells much more, secrets included: none of it is kept."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Pm2Process(Struct, frozen=True):
    """One entry of pm2's list. `version`, `commit` and `site` are what the process was started with."""

    pm_id: int
    name: str
    namespace: str
    script: str
    cwd: str
    mode: str
    interpreter: str
    status: str
    pid: int
    restarts: int
    unstable: int
    exit_code: int | None
    site: str
    version: str
    commit: str
    settled: bool
    """False when pm2 would start it with other GATE_ values the next time."""
    variables: frozenset[str]

    @property
    def in_motion(self) -> bool:
        """True while pm2 starts or stops it. Told to restart it then, pm2 7.0.4 may start it twice and lose one."""
        return self.status in ("launching", "stopping") or self.coming_back

    @property
    def coming_back(self) -> bool:
        """True between a death and pm2's own new start: one that stays down has no pid any more."""
        return self.status in ("stopped", "waiting restart") and self.pid != 0


def parse(entry: Mapping[str, Any]) -> Pm2Process:
    """Read an entry of getMonitorData or `jlist`; what pm2 leaves out is empty, 0 or None."""
    env = entry["pm2_env"]
    later = env.get("env") or {}
    code = env.get("exit_code")
    pid = int(entry.get("pid") or 0)
    # with a restart_delay pm2 7.0.4 writes "waiting restart" over its own "errored"; only the pid tells
    given_up = env.get("status") == "waiting restart" and pid == 0
    return Pm2Process(
        pm_id=int(entry["pm_id"]),
        name=str(entry.get("name", "")),
        namespace=str(env.get("namespace", "")),
        script=str(env.get("pm_exec_path", "")),
        cwd=str(env.get("pm_cwd", "")),
        mode=str(env.get("exec_mode", "")).removesuffix("_mode"),
        interpreter=str(env.get("exec_interpreter", "")),
        status="errored" if given_up else str(env.get("status", "")),
        pid=pid,
        restarts=int(env.get("restart_time") or 0),
        unstable=int(env.get("unstable_restarts") or 0),
        exit_code=code if isinstance(code, int) else None,
        site=str(env.get("GATE_SITE", "")),
        version=str(env.get("GATE_VERSION", "")),
        commit=str(env.get("GATE_COMMIT", "")),
        settled=all(env.get(name) == later.get(name) for name in ("GATE_VERSION", "GATE_COMMIT")),
        variables=frozenset(later),
    )
