"""The one file that tells pm2 how to run the sites: rendered from SiteRuns, JSON, outside the release tree.

It is what `pm2 startOrReload` brings the sites back with, and holds their secrets: mode 0600.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from gatekeeper import fault
from gatekeeper.errors import Exit, GateError
from gatekeeper.sites.run import SiteRun, Stamp

NAMESPACE = "gatekeeper"
FILE = "ecosystem.json"

App = dict[str, Any]
"""One application as pm2's documentation describes it."""

_RESTART_DELAY = 300
"""Milliseconds; sixteen crashes at boot then take five seconds, time enough to put `current` back."""

_READY_MARGIN = 2.0
"""pm2 ends the old process at `listen_timeout`, ready or not: the verdict must come first."""

_INTERPRETERS = {".sh": "bash", ".py": "python3", ".rb": "ruby", ".php": "php", ".pl": "perl"}

# pm2 lays a site's environment over its own record of the process, name for name.
RESERVED_ENV = frozenset(
    """args automation autorestart autostart axm_actions axm_dynamic axm_monitor axm_options created_at
    cron_restart current_conf cwd deep_monitoring disable_logs disable_source_map_support env exec_interpreter
    exec_mode exit_code exp_backoff_restart_delay filter_env force gid ignore_watch increment_var instance_var
    instances io kill_retry_time kill_timeout km_link listen_timeout log_date_format log_type max_memory_restart
    max_restarts merge_logs min_uptime name namespace node_args node_version pm2_env pm_cwd pm_err_log_path
    pm_exec_path pm_id pm_log_path pm_out_log_path pm_pid_path pm_uptime pmx pmx_module prev_restart_delay
    restart_delay restart_task restart_time script shutdown_with_message source_map_support status
    stop_exit_codes trace treekill uid unique_id unstable_restarts username version versioning vizion
    vizion_running wait_ready watch watch_delay watch_options windowsHide _km_monitored _pm2_version
    _tree_pids""".split()  # noqa: SIM905 - a list literal would be ninety lines
)


def render(runs: Sequence[SiteRun], stamp: Stamp, *, base: Mapping[str, str], logs: Path) -> dict[str, Any]:
    """Return the whole file; `base` is the environment that every site starts from (PATH, HOME).

    Raises GATE-501 for a site or variable whose name pm2 would take for a setting of its own.
    """
    refuse_reserved(runs)
    return {"apps": [_app(run, stamp, base, logs) for run in runs if run.mode != "static"]}


def refuse_reserved(runs: Sequence[SiteRun]) -> None:
    """Raise GATE-501 for a site or a variable whose name is in RESERVED_ENV: pm2 would overwrite its own record."""
    for run in runs:
        for name in sorted({run.name, *run.env} & RESERVED_ENV):
            raise GateError(
                f'Site "{run.name}" uses the name "{name}", which pm2 would take for a setting of its own.',
                code="GATE-501",
                hints=("Rename the site, or the variable in its `env` or env_file, then: gatekeeper config check",),
                exit=Exit.CONFIG,
            )


def read(path: Path) -> dict[str, Any] | None:
    """Return the file as it was written, with the release that it was written for; None when there is none."""
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return told if "release" in told else None


def write(path: Path, ecosystem: Mapping[str, Any]) -> None:
    """Replace the file so that a crash or a power cut leaves the old one or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        file.write(json.dumps(ecosystem, indent=1, sort_keys=True).encode())
        file.flush()
        os.fsync(file.fileno())
    with fault.step("write: ecosystem.json"):
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _app(run: SiteRun, stamp: Stamp, base: Mapping[str, str], logs: Path) -> App:
    memory = {} if run.max_memory_restart is None else {"max_memory_restart": run.max_memory_restart}
    gate = {"GATE_SITE": run.name, "GATE_VERSION": stamp.version, "GATE_COMMIT": stamp.commit}
    return memory | {
        "name": run.name,
        "namespace": NAMESPACE,
        "cwd": str(run.cwd),
        "script": str(run.script),
        "args": list(run.args),
        # never left out: pm2 would start it with the node_args of the site started before it
        "node_args": list(run.node_args),
        "interpreter": run.interpreter or _INTERPRETERS.get(PurePath(run.script).suffix, "node"),
        "exec_mode": run.mode,
        "instances": run.instances,
        "wait_ready": run.wait_ready,
        "kill_timeout": _milliseconds(run.kill_timeout),
        "listen_timeout": _milliseconds(patience(run)),
        "restart_delay": _RESTART_DELAY,
        "merge_logs": True,
        "out_file": str(logs / f"{run.name}-out.log"),
        "error_file": str(logs / f"{run.name}-error.log"),
        "vizion": False,
        "filter_env": [""],  # every variable contains "": nothing of the caller's environment
        "env": {**base, **run.env, **gate},
    }


def patience(run: SiteRun) -> float:
    """Return the seconds that pm2 keeps the old process beside a new one that is not ready."""
    return max(run.listen_timeout, run.health_timeout + _READY_MARGIN) if run.wait_ready else run.listen_timeout


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
