"""What the daemon's own methods take, which pm2 documents nowhere: read in its source, 7.0.4. Pure."""

from pathlib import Path

from gatekeeper.sites.ecosystem import App
from gatekeeper.sites.listed import Pm2Process
from gatekeeper.sites.rpc import Call

_SETTINGS = ("args", "node_args", "wait_ready", "kill_timeout", "listen_timeout", "max_memory_restart")


def reload(one: Pm2Process, app: App) -> Call:
    """Return the call that gives a process its new environment and settings, and drops what is no longer named."""
    settings = {name: app.get(name, "null") for name in _SETTINGS}  # the text "null": pm2's word for none
    dropped = dict.fromkeys(one.variables - app["env"].keys() - {"unique_id"}, "null")
    env = {**app["env"], "current_conf": {**dropped, **settings, "env": app["env"]}}
    # pm2 refuses to reload beside a parked worker, also when its successor is dead for good: that one is started
    method = "reloadProcessId" if one.status not in ("errored", "stopped") else "restartProcessId"
    return Call(method, {"id": one.pm_id, "env": env})


def start(app: App, home: Path) -> Call:
    """Return the call that starts an app, made of it what pm2's command line would make."""
    told = {key: value for key, value in app.items() if key not in ("script", "interpreter", "out_file", "error_file")}
    resolved = told | {
        "exec_mode": f"{app['exec_mode']}_mode",
        "exec_interpreter": app["interpreter"],
        "pm_exec_path": app["script"],
        "pm_cwd": app["cwd"],
        "pm_out_log_path": app["out_file"],
        "pm_err_log_path": app["error_file"],
        "pm_pid_path": str(home / "pids" / f"{app['name']}.pid"),
        "instance_var": "NODE_APP_INSTANCE",
        "autostart": True,
        "autorestart": True,
        "pmx": True,
        "automation": True,
        "treekill": True,
        "windowsHide": True,
        "kill_retry_time": 100,
        "watch": False,
        "km_link": False,
    }
    return Call("prepare", resolved)
