"""What adopt makes of what pm2 and the kernel say, without either."""

from typing import Any

import pytest

from gatekeeper.adopt import hearing, tree, variables
from gatekeeper.adopt.theirs import Theirs, take_apart
from gatekeeper.adopt.tree import Source


def entry(name: str, pm_id: int = 0, **env: Any) -> dict[str, Any]:
    told = {"status": "online", "pm_cwd": f"/srv/{name}", "pm_exec_path": f"/srv/{name}/server.js", **env}
    return {"name": name, "pm_id": pm_id, "pid": 100 + pm_id, "pm2_env": told}


def site(name: str = "shop", **env: Any) -> Theirs:
    return take_apart([entry(name, **env)], {})[0][0]


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("PORT", "4101", True),
        ("NODE_ENV", "production", True),
        ("METRICS_PORT", "9100", True),
        ("BACKEND", "http://127.0.0.1:4000", True),
        ("BACKEND", "http://kim:pw@127.0.0.1:4000", False),
        ("BACKEND", "https://hooks.example/T0/B0/token", False),
        ("RETRIES", "3", True),
        ("ADMIN", "hunter2", False),
        ("DATABASE_URL", "true", False),
        ("API_KEY", "1234", False),
    ],
)
def test_what_is_not_plainly_harmless_is_a_secret(name: str, value: str, plain: bool) -> None:  # noqa: FBT001
    assert variables.is_plain(name, value) is plain


def test_the_shells_variables_are_left_out_and_named() -> None:
    shell = {"EDITOR_OF_KIM": "vi", "DATABASE_URL": "postgres://x", "SSL_CERT_FILE": "/etc/ca.pem"}
    env = {**shell, "PATH": "/bin", "PORT": 4101, "shop": {}, "PEM": "a\nb", "status": "online"}
    found = variables.split(env, app="shop", shell=shell)
    assert found.plain == {"PORT": "4101"}
    assert found.secret == {"DATABASE_URL": "postgres://x"}
    assert found.left_out == ("EDITOR_OF_KIM", "PATH", "SSL_CERT_FILE")
    assert found.unwritable == ("PEM",)


def test_two_programs_of_one_name_are_not_told_apart() -> None:
    sites, passed_over = take_apart([entry("shop"), entry("shop", 1, pm_cwd="/srv/other"), entry("Shop!", 2)], {})
    assert [one.called for one in sites] == ["Shop!"]
    assert sites[0].name == "shop"
    assert passed_over == ['2 different programs are called "shop" in pm2: rename all but one.']


@pytest.mark.parametrize(
    ("cwd", "path"),
    [
        ("/srv/app/sites/shop", "sites/shop"),
        ("/srv/app", "."),
        ("/var/www/current/sites/shop", "sites/shop"),
        ("/home/kim/shop", "sites/shop"),
        ("/home/kim/sites/shop-admin", "sites/shop-admin"),
    ],
)
def test_where_a_running_folder_lies_in_the_tree(cwd: str, path: str) -> None:
    files = {"server.js": "1", "sites/shop/server.js": "2", "sites/shop-admin/server.js": "3"}
    name = "shop-admin" if "admin" in cwd else "shop"
    found = site(name, pm_cwd=cwd, pm_exec_path=f"{cwd}/server.js")
    assert tree.place_of(found, files, [Source("/srv/app", ".")]) == path


def test_what_the_code_imports_from_outside_its_path() -> None:
    files = {"sites/shop/a.js": "1", "lib/words/index.js": "", "sites/common.js": "", "lib2/x.js": ""}
    code = b"import w from '../../lib/words'; require('../common'); require('./own'); import('express')"
    assert tree.shared("sites/shop", files, lambda _: code) == ("lib", "sites/common.js")


def test_what_lies_beside_the_code() -> None:
    extra = [["uploads", True], ["shop.sqlite", False], ["node_modules", True], [".env", False], ["error.log", False]]
    found = tree.sorted_out(extra, "server.js")
    assert (found.kept, found.files, found.made, found.env_files, found.scratch) == (
        ("uploads", "shop.sqlite"),
        ("shop.sqlite",),
        ("node_modules",),
        (".env",),
        ("error.log",),
    )
    assert tree.sorted_out([[f"file-{n}", False] for n in range(30)], "").too_many


def test_a_port_is_a_sites_only_when_that_is_sure() -> None:
    shop, web = site("shop", exec_mode="cluster_mode", env={"PORT": "1"}), site("web", exec_mode="cluster_mode")
    shared = [("0100007F", 1), ("00000000", 2)]
    assert hearing.ports_of([shop, web], {}, shared) == {"shop": ("0100007F", 1), "web": ("00000000", 2)}
    assert hearing.ports_of([web, site("api", exec_mode="cluster_mode")], {}, shared) == {}


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("00000000", "127.0.0.1"),
        ("0100007F", "127.0.0.1"),
        ("0501A8C0", "192.168.1.5"),
        ("0" * 32, "127.0.0.1"),
        ("00000000000000000000000001000000", "[::1]"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
    ],
)
def test_the_kernels_way_to_write_an_address(address: str, host: str) -> None:
    assert hearing.host_of(address) == host
