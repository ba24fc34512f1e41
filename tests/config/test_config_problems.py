"""Every mistake that sites.toml can hold, with the exact words that its reader gets."""

import tomllib

import pytest

from gatekeeper.config.load import from_tables
from gatekeeper.config.problems import ConfigProblems

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
SHOP = '[sites.shop]\npath = "sites/shop"\nscript = "server.js"\n'
BOOL, TEXT = "It must be true or false.", "It must be a text in quotes."
EMPTY = "It is empty. It must name at least one."
TIME = 'It must be a time such as "90s", "15m", "1h30m" or "14d", in quotes.'
SIZE = 'It must be a size such as "64K", "512M" or "2G", in quotes.'
NO_OPTION = "There is no such option."
SHELL = "It is never run by a shell: give each word by itself."
LINE = "It must be one line, printable and not empty."
VARIABLE = "It is no name of an environment variable."
NAME = "A name is 1 to 64 of a-z, 0-9 and -, and does not start with -."
LABEL = "It must be 1 to 64 letters, digits, dots, - and _, and start with a letter or a digit."
STATIC = 'A site with mode = "static" has no process. Remove this, or change the mode.'
RELATIVE = "It must be relative, without a / at its start."
INVISIBLE = "A path holds no backslash and no invisible character."
PUSHED = 'It must be where Git can push to, such as "git@backup:gate.git", "ssh://…" or "/mnt/backup/gate.git".'
HIDE_IT = "It must hold no password: it is shown in messages. Use ssh, with a key of the Librarian's user."
PRIVATE = "That folder is not private. Keep it in var/, such as var/env/shop."
ADDRESS = 'It must be an address such as "http://127.0.0.1:4101/health".'
WINDOW = 'It must be written like "Mon-Fri 07:00-16:30" or "Sat,Sun 10:00-12:00".'

SCHEDULER = 'It must be "local", or the address of a scheduler such as "tls://10.0.0.5:8786".'
TLS, ALL_THREE = '[verify]\nexecutor = "tls://a:1"\n', "a tls:// executor takes tls_ca, tls_cert and tls_key."

SECTIONS = "gate, limits, verify, builds, checks, mirror, external, pm2, hosts, sites, surfaces, hold, agents"

OF_A_SITE = [
    ("path = 5", "path", "5", f'{TEXT} Write "5".'),
    ('path = ""', "path", '""', "It is empty."),
    ('path = "/srv"', "path", '"/srv"', RELATIVE),
    ('path = "a/../b"', "path", '"a/../b"', 'It must not lead out: ".." is not allowed.'),
    ('path = "./a"', "path", '"./a"', 'Write it in its shortest form, "a".'),
    ('path = "a/"', "path", '"a/"', 'Write it in its shortest form, "a".'),
    ('path = "a//b"', "path", '"a//b"', 'Write it in its shortest form, "a/b".'),
    ('path = "a\\\\b"', "path", '"a\\\\b"', INVISIBLE),
    ('path = "a\\u202eb"', "path", '"a\\u202eb"', INVISIBLE),
    ('path = "a\\u0000"', "path", '"a\\u0000"', "It holds a NUL character."),
    ('path = ".git/x"', "path", '".git/x"', "Git's own folder is never part of the tree."),
    ('script = "."', "script", '"."', "It must name something."),
    ('env_file = "/etc/shop"', "env_file", '"/etc/shop"', RELATIVE),
    ('env_file = "www/env"', "env_file", '"www/env"', PRIVATE),
    ('uses = "lib"', "uses", '"lib"', 'It must be a list of texts. Write ["lib"].'),
    ('uses = ["lib", 5]', "uses[1]", "5", f'{TEXT} Write "5".'),
    ('uses = ["/lib"]', "uses[0]", '"/lib"', RELATIVE),
    ('data = ["/up"]', "data[0]", '"/up"', RELATIVE),
    (
        'data = ["up"]\nwritable = ["up/tmp"]',
        "data",
        '["up", "up/tmp"]',
        '"up" and "up/tmp" of data and writable must not overlap.',
    ),
    ('mode = "clutser"', "mode", '"clutser"', 'It must be "cluster", "fork" or "static". Did you mean "cluster"?'),
    ("mode = 1", "mode", "1", 'It must be "cluster", "fork" or "static".'),
    ('mode = "static"', "script", '"server.js"', STATIC),
    (
        'interpreter = "python3"',
        "interpreter",
        '"python3"',
        'pm2\'s cluster mode runs Node only. Set mode = "fork" for another interpreter.',
    ),
    ("instances = 0", "instances", "0", "It must be at least 1."),
    ("instances = true", "instances", "true", "It must be a whole number."),
    ("instances = 1.5", "instances", "1.5", "It must be a whole number."),
    ('wait_ready = "yes"', "wait_ready", '"yes"', BOOL),
    ("soak = 5", "soak", "5", TIME),
    ('soak = "5 s"', "soak", '"5 s"', TIME),
    ('soak = "-1s"', "soak", '"-1s"', TIME),
    ('health_timeout = "0s"', "health_timeout", '"0s"', "It must be at least 0.001s."),
    ('max_memory_restart = "512"', "max_memory_restart", '"512"', SIZE),
    ('max_memory_restart = "0M"', "max_memory_restart", '"0M"', "It must be at least 1B."),
    ('health = "ftp://x/"', "health", '"ftp://x/"', "It must start with http:// or https://."),
    ('health = "http:///x"', "health", '"http:///x"', 'It must name a host, such as "http://127.0.0.1:4101/health".'),
    ('health = "http://a:b/"', "health", '"http://a:b/"', ADDRESS),
    ('health = "http://a b/"', "health", '"http://a b/"', ADDRESS),
    (
        'health = "http://u:p@x/"',
        "health",
        '"http://u:p@x/"',
        "It must hold no user name or password: it is shown in messages.",
    ),
    ("health = 5", "health", "5", "It must be an address in quotes, or a table with `url`."),
    ('health = { host = "x" }', "health.url", None, "It is missing. It must be a text in quotes."),
    (
        'health = { url = "http://x/", host = "a b" }',
        "health.host",
        '"a b"',
        'It must be a host name, such as "shop.example".',
    ),
    ('health = { url = "http://x/", status = 99 }', "health.status[0]", "99", "It must be at least 100."),
    ('health = { url = "http://x/", status = [600] }', "health.status[0]", "600", "It must be at most 599."),
    (
        'health = { url = "http://x/", contans = "a" }',
        "health.contans",
        '"a"',
        f'{NO_OPTION} Did you mean "contains"?',
    ),
    ("env = { PORT = 4101 }", "env.PORT", "4101", f'{TEXT} Write "4101".'),
    ('env = { PORT = "70000" }', "env.PORT", '"70000"', "A port is a number from 1 to 65535."),
    ('env = { "a b" = "c" }', 'env."a b"', None, VARIABLE),
    (
        'env = { GATE_SITE = "x" }',
        "env.GATE_SITE",
        None,
        "What starts with GATE_ is set by the gate. Choose another name.",
    ),
    ('boot_env = { "" = "x" }', 'boot_env.""', None, VARIABLE),
    ('migrate = ["m"]', "migrate_paths", None, "It is missing. Without it migrate has no effect."),
    ('migrate_paths = ["m"]', "migrate", None, "It is missing. Without it migrate_paths has no effect."),
    ('user = "root"', "user", '"root"', "It must not be root."),
    ('user = "Kim K"', "user", '"Kim K"', 'It must be the name of a Unix user, such as "agent-a".'),
    (
        'user = "gatekeeper-two"',
        "user",
        '"gatekeeper-two"',
        "Users of that name are the Librarians'; give the site one of its own.",
    ),
    ('host = "web2"', "host", '"web2"', "There is no [hosts.web2]. Leave it out for this machine, or add [hosts.…]."),
    ('scirpt = "x"', "scirpt", '"x"', f'{NO_OPTION} Did you mean "script"?'),
    ('heartbeat = "1m"', "heartbeat", '"1m"', f"{NO_OPTION} It belongs in [gate]."),
]


@pytest.mark.parametrize(("lines", "option", "value", "message"), OF_A_SITE, ids=[case[0] for case in OF_A_SITE])
def test_a_mistake_in_a_site(lines: str, option: str, value: str | None, message: str) -> None:
    given = {line.split(" = ")[0] for line in lines.split("\n")}
    rest = [line for line in SHOP.splitlines() if line.split(" = ")[0] not in given]
    assert problems("\n".join([*rest, lines])) == [(f"sites.shop.{option}", value, message)]


CHECK = '[[checks]]\nname = "unit"\nrun = ["true"]\nper_site = true\n'
AGENT = '[agents.a]\nowner = "kim"\nunix_user = "a"\n'

ELSEWHERE = [
    ('[gate]\nheartbeat = "1ms"', "gate.heartbeat", '"1ms"', "It must be at least 1s."),
    ('[gate]\nheartbeat = "40000d"', "gate.heartbeat", '"40000d"', "It must be at most 1d."),
    ('[gate]\nhartbeat = "15m"', "gate.hartbeat", '"15m"', f'{NO_OPTION} Did you mean "heartbeat"?'),
    ("[gate]\nmax_train = 0", "gate.max_train", "0", "It must be at least 1."),
    ('[gate]\nship_windows = ["Mon 7-9"]', "gate.ship_windows[0]", '"Mon 7-9"', WINDOW),
    (
        '[gate]\ntimezone = "Europe/Copenhagn"',
        "gate.timezone",
        '"Europe/Copenhagn"',
        'It is no time zone that this machine knows, such as "Europe/Copenhagen". Did you mean "Europe/Copenhagen"?',
    ),
    (
        '[gate]\ntimezone = "../x"',
        "gate.timezone",
        '"../x"',
        'It is no time zone that this machine knows, such as "Europe/Copenhagen".',
    ),
    (
        '[gate]\nreload = "changd"',
        "gate.reload",
        '"changd"',
        'It must be "always" or "changed". Did you mean "changed"?',
    ),
    ('[gate]\nprotected = ["/x"]', "gate.protected[0]", '"/x"', RELATIVE),
    ('[gate]\nalerts_file = "data/a"', "gate.alerts_file", '"data/a"', PRIVATE),
    ("[limits]\nmemory = 5", "limits.memory", "5", SIZE),
    ('[mirror]\nurls = ["ext::sh -c x"]', "mirror.urls[0]", '"ext::sh -c x"', PUSHED),
    ('[mirror]\nurls = ["-x:y"]', "mirror.urls[0]", '"-x:y"', PUSHED),
    ('[mirror]\nurls = ["https://a:s@b/c"]', "mirror.urls[0]", '"https://a:s@b/c"', HIDE_IT),
    ("[verify]\njobs = 0", "verify.jobs", "0", "It must be at least 1."),
    ('[verify]\nread_only = ["opt"]', "verify.read_only[0]", '"opt"', "It must be absolute, with a / at its start."),
    ('[verify]\nread_only = ["/opt/"]', "verify.read_only[0]", '"/opt/"', 'Write it in its shortest form, "/opt".'),
    ('[verify]\nread_only = ["//opt"]', "verify.read_only[0]", '"//opt"', 'Write it in its shortest form, "/opt".'),
    ('[verify]\ntoolchain = ["node"]', "verify.toolchain[0]", '"node"', 'It must be a list of texts. Write ["node"].'),
    ("[verify]\ntoolchain = [[]]", "verify.toolchain[0]", "[]", EMPTY),
    ("[verify]\ntoolchain = 5", "verify.toolchain", "5", "It must be a list of lists of texts."),
    (
        '[verify]\nexecutor = "locl"',
        "verify.executor",
        '"locl"',
        SCHEDULER,
    ),
    ('[verify]\nexecutor = "ucx://a:1"', "verify.executor", '"ucx://a:1"', SCHEDULER),
    ('[verify]\nexecutor = "tcp://a"', "verify.executor", '"tcp://a"', SCHEDULER),
    ('[verify]\nexecutor = "tcp://a:1/x"', "verify.executor", '"tcp://a:1/x"', SCHEDULER),
    ('[verify]\nexecutor = "tcp://u:p@a:1"', "verify.executor", '"tcp://u:p@a:1"', SCHEDULER),
    ('[verify]\nexecutor_away = "stop"', "verify.executor_away", '"stop"', 'It must be "local" or "wait".'),
    (f'{TLS}tls_ca = "var/ca"\ntls_cert = "var/cert"', "verify.tls_key", None, f"It is missing: {ALL_THREE}"),
    (f'{TLS}tls_key = "var/key"\ntls_cert = "var/cert"', "verify.tls_ca", None, f"It is missing: {ALL_THREE}"),
    (f'{TLS}tls_ca = "var/ca"\ntls_key = "var/key"', "verify.tls_cert", None, f"It is missing: {ALL_THREE}"),
    (f'{TLS}tls_ca = "var/ca"\ntls_cert = "var/c"\ntls_key = "/k"', "verify.tls_key", '"/k"', RELATIVE),
    ('[verify]\ntls_key = "var/k"', "verify.tls_key", '"var/k"', "It is for a tls:// executor alone."),
    ('[pm2]\ncommand = ["npx pm2"]', "pm2.command", '["npx pm2"]', f'{SHELL} Write ["npx", "pm2"].'),
    ('[pm2]\nhome = "/root/.pm2"', "pm2.home", '"/root/.pm2"', RELATIVE),
    ('[hosts.W2]\nssh = "w2"\nhome = "/g"', "hosts.W2", None, f'{NAME} Such as "w2".'),
    ('[hosts.w2]\nssh = "-oX=y"\nhome = "/g"', "hosts.w2.ssh", '"-oX=y"', 'It must be a host, such as "gate@web2".'),
    ('[hosts.w2]\nssh = "w2"\nhome = "g"', "hosts.w2.home", '"g"', "It must be absolute, with a / at its start."),
    ('[hosts.w2]\nssh = "w2"', "hosts.w2.home", None, "It is missing. It must be a text in quotes."),
    ("[checks]\nx = 1", "checks", '{"x": 1}', "It must be a list of tables, each with its name in double brackets."),
    ('[[checks]]\nrun = ["x"]\nper_site = true', "checks[0].name", None, "It is missing. It must be a text in quotes."),
    ('[[checks]]\nname = "a"\nper_site = true', "checks[0].run", None, "It is missing. It must be a list of texts."),
    (CHECK.replace('["true"]', "[]"), "checks[0].run", "[]", EMPTY),
    (CHECK.replace('["true"]', '[""]'), "checks[0].run", '[""]', "Its first word, the program, is empty."),
    (CHECK.replace('["true"]', '["npm test"]'), "checks[0].run", '["npm test"]', f'{SHELL} Write ["npm", "test"].'),
    (
        CHECK.replace('["true"]', "\"npm run 'a b'\""),
        "checks[0].run",
        "\"npm run 'a b'\"",
        'It must be a list of texts. Write ["npm", "run", "a b"].',
    ),
    (CHECK.replace('["true"]', '"it\'s"'), "checks[0].run", '"it\'s"', 'It must be a list of texts. Write ["it\'s"].'),
    (
        CHECK.replace('"unit"', '"boot"'),
        "checks[0].name",
        '"boot"',
        'The check "boot" is built in; choose another name.',
    ),
    (CHECK.replace('"unit"', '"a b"'), "checks[0].name", '"a b"', LABEL),
    (CHECK + CHECK, "checks[1].name", '"unit"', "checks[0] has this name already."),
    (
        CHECK + 'paths = ["lib"]',
        "checks[0].paths",
        '["lib"]',
        "It must not stand beside per_site = true: choose one of the two.",
    ),
    (
        CHECK.replace("per_site = true", ""),
        "checks[0].paths",
        None,
        "It is missing. Give the paths that it sees, or per_site = true.",
    ),
    (
        CHECK.replace("per_site = true", 'paths = ["../x"]'),
        "checks[0].paths[0]",
        '"../x"',
        'It must not lead out: ".." is not allowed.',
    ),
    (CHECK + 'cwd = "/"', "checks[0].cwd", '"/"', RELATIVE),
    (CHECK + "timeout = 5", "checks[0].timeout", "5", TIME),
    (
        CHECK + 'env = { GATE_X = "1" }',
        "checks[0].env.GATE_X",
        None,
        "What starts with GATE_ is set by the gate. Choose another name.",
    ),
    (
        CHECK + 'outputs = ["x"]',
        "checks[0].outputs",
        '["x"]',
        f"{NO_OPTION} Known: name, run, per_site, paths, cwd, timeout, env.",
    ),
    (CHECK.replace("checks", "builds") + 'outputs = ["/x"]', "builds[0].outputs[0]", '"/x"', RELATIVE),
    (CHECK.replace("checks", "builds") * 2, "builds[1].name", '"unit"', "builds[0] has this name already."),
    ("[surfaces.shared]\npaths = []", "surfaces.shared.paths", "[]", EMPTY),
    (
        '[surfaces.shop]\npaths = ["lib"]',
        "surfaces.shop",
        None,
        "[sites.shop] is the surface of this name already; choose another.",
    ),
    (
        '[surfaces.root]\npaths = ["lib"]',
        "surfaces.root",
        None,
        '"root" is the surface of all that no other holds; choose another name.',
    ),
    ('[surfaces.Shared_Things]\npaths = ["lib"]', "surfaces.Shared_Things", None, f'{NAME} Such as "shared-things".'),
    ('[surfaces."-"]\npaths = ["lib"]', "surfaces.-", None, NAME),
    ("[[hold]]", "hold[0].paths", None, "It is missing. It must be a list of texts."),
    ('[[hold]]\npaths = ["/x"]', "hold[0].paths[0]", '"/x"', RELATIVE),
    ('[[hold]]\npaths = ["x"]\nreason = "a\\nb"', "hold[0].reason", '"a\\nb"', LINE),
    ("[agents]\na = 5", "agents.a", "5", "It must be a table."),
    (AGENT.replace("kim", " "), "agents.a.owner", '" "', LINE),
    (AGENT.replace('user = "a"', 'user = "root"'), "agents.a.unix_user", '"root"', "It must not be root."),
    (
        AGENT.replace("agents.a", "agents.librarian"),
        "agents.librarian",
        None,
        "The Librarian is nobody's agent; choose another name.",
    ),
    (AGENT.replace("agents.a", 'agents."a b"'), 'agents."a b"', None, LABEL),
    (AGENT + 'surfaces = ["sho"]', "agents.a.surfaces[0]", '"sho"', 'There is no such surface. Did you mean "shop"?'),
    (AGENT + 'surfaces = ["zzz"]', "agents.a.surfaces[0]", '"zzz"', "There is no such surface. Known: shop, root."),
    (
        AGENT + 'role = "oprator"',
        "agents.a.role",
        '"oprator"',
        'It must be "agent" or "operator". Did you mean "operator"?',
    ),
    (AGENT + "max_open = 0", "agents.a.max_open", "0", "It must be at least 1."),
    (
        AGENT + f'ssh_key = "{KEY}\\n{KEY}"',
        "agents.a.ssh_key",
        f'"{KEY[:79]}…',
        "It must be one line: a newline would add a second key.",
    ),
    (
        AGENT + f"ssh_key = 'restrict {KEY}'",
        "agents.a.ssh_key",
        f'"restrict {KEY[:70]}…',
        "It must start with the key's type, such as ssh-ed25519, and hold no options before it.",
    ),
    (
        AGENT + 'ssh_key = "ssh-ed25519 AAAA"',
        "agents.a.ssh_key",
        '"ssh-ed25519 AAAA"',
        "What follows ssh-ed25519 is no such key.",
    ),
    (
        AGENT + f'ssh_key = "{KEY.replace("ssh-ed25519", "ssh-rsa")}"',
        "agents.a.ssh_key",
        f'"{KEY.replace("ssh-ed25519", "ssh-rsa")}"'[:80] + "…" * (len(KEY) - 4 + 2 > 80),
        "What follows ssh-rsa is no such key.",
    ),
    (
        AGENT + AGENT.replace("agents.a", "agents.b"),
        "agents.b.unix_user",
        '"a"',
        "[agents.a] has it already; who pushes could not be told apart.",
    ),
    (
        AGENT + f'ssh_key = "{KEY} one"\n' + AGENT.replace(".a", ".b").replace('"a"', '"b"') + f'ssh_key = "{KEY} two"',
        "agents.b.ssh_key",
        f'"{KEY}"'[:80] + "…" * (len(KEY) + 2 > 80),
        "[agents.a] has it already; who pushes could not be told apart.",
    ),
    ('[site.web]\npath = "x"', "site", '{"web": {"path": "x"}}', 'There is no such section. Did you mean "sites"?'),
    (
        "whatever = 1",
        "whatever",
        "1",
        f"There is no such section. Known: {SECTIONS}.",
    ),
    ("heartbeat = 1", "heartbeat", "1", "There is no such section. It belongs in [gate]."),
    ("gate = 5", "gate", "5", "It must be a table."),
    (
        SHOP.replace("[sites.shop]", "[sites.shop-two]") + "user = 'a'\n" + AGENT,
        "agents.a.unix_user",
        '"a"',
        "[sites.shop-two] has it already; who pushes could not be told apart.",
    ),
    (SHOP.replace("sites.shop]", "sites.Shop]"), "sites.Shop", None, f'{NAME} Such as "shop".'),
    (SHOP.replace("sites.shop]", 'sites."a\\u202eb"]'), 'sites."a\\u202eb"', None, f'{NAME} Such as "a-b".'),
    (SHOP.replace("sites.shop]", f"sites.{'a' * 65}]"), f"sites.{'a' * 65}", None, f'{NAME} Such as "{"a" * 64}".'),
    (
        '[sites.x]\npath = "x"\nscript = "y"\nhost = "web"\n[hosts.web2]\nssh = "w"\nhome = "/g"',
        "sites.x.host",
        '"web"',
        'There is no [hosts.web]. Did you mean "web2"?',
    ),
    ('[sites.x]\npath = "x"', "sites.x.script", None, 'It is missing. Name what pm2 starts, or set mode = "static".'),
    ('[sites.x]\nscript = "x"', "sites.x.path", None, "It is missing. It must be a text in quotes."),
]


@pytest.mark.parametrize(("text", "key", "value", "message"), ELSEWHERE, ids=[case[0] for case in ELSEWHERE])
def test_a_mistake_elsewhere(text: str, key: str, value: str | None, message: str) -> None:
    assert problems(f"{text}\n{SHOP}" if text[0] != "[" else f"{SHOP}{text}") == [(key, value, message)]


BETWEEN_SITES = [
    ('env = { PORT = "80" }', 'env = { PORT = "80" }', [("env.PORT", "80")]),
    ('env = { PORT = "80" }', 'health = "http://localhost:80/"', [("health", "80")]),
    ('health = "http://127.0.0.1/"', 'health = "http://[::1]/"', [("health", "80")]),
    ('health = "https://127.0.0.1/"', 'health = "http://127.0.0.1/"', []),
    ('health = "http://x.example/"', 'health = "http://x.example/"', []),
    ('health = { url = "http://127.0.0.1/", host = "a" }', 'health = { url = "http://127.0.0.1/", host = "b" }', []),
    ('env = { PORT = "/run/x" }', 'env = { PORT = "/run/x" }', []),
    ('env = { PORT = "80" }\nhealth = "http://127.0.0.1:80/"', 'env = { PORT = "81" }', []),
    ('env = { PORT = "80" }', 'env = { PORT = "80" }\nhost = "web2"', []),
    ('env = { PORT = "80" }\nhost = "web2"', 'env = { PORT = "80" }\nhost = "web2"', [("env.PORT", "80")]),
]


@pytest.mark.parametrize(("first", "second", "clashes"), BETWEEN_SITES)
def test_a_port_is_one_site_s_on_each_machine(first: str, second: str, clashes: list[tuple[str, str]]) -> None:
    text = f'{SHOP}{first}\n{SHOP.replace(".shop", ".shop-admin")}{second}\n[hosts.web2]\nssh = "w"\nhome = "/g"'
    said = "Port {} is already that of [sites.shop] on the same machine."
    assert problems(text) == [(f"sites.shop-admin.{key}", port, said.format(port)) for key, port in clashes]


def test_two_sites_may_share_a_path_but_not_a_data_folder_in_it() -> None:
    other = SHOP.replace(".shop", ".kiosk")
    assert problems(SHOP + other) == []
    assert problems(f'{SHOP}data = ["up"]\n{other}data = ["up"]') == [
        ("sites.kiosk.data", '"up"', "[sites.shop] has the same path and already keeps this folder.")
    ]


def test_each_site_has_a_user_of_its_own() -> None:
    user, other = 'user = "site-shop"\n', SHOP.replace(".shop", ".kiosk")
    assert problems(SHOP + user + other + user.replace("shop", "kiosk")) == []
    said = "[sites.shop] runs as it already; give each site a user of its own."
    assert problems(SHOP + user + other + user) == [("sites.kiosk.user", '"site-shop"', said)]
    files = '[sites.docs]\npath = "docs"\nmode = "static"\n' + user
    assert [key for key, _, _ in problems(files)] == ["sites.docs.user"]


def test_an_agent_that_only_claims_its_name_needs_no_door() -> None:
    assert problems(SHOP + AGENT.replace('unix_user = "a"', "")) == []


def test_a_file_without_a_site_says_what_to_add() -> None:
    message = 'It names no site. Add one: [sites.shop] with path = "sites/shop" and its script.'
    assert problems("") == [("sites", None, message)]
    assert problems("sites = 5") == [("sites", "5", "It must be a table.")]
    assert problems("[sites]\nx = 5") == [("sites.x", "5", "It must be a table.")]


def test_all_problems_come_at_once_in_the_order_of_the_sections() -> None:
    text = '[gate]\nmax_train = 0\n[agents.a]\nrole = 5\n[sites.Shop]\nmode = "x"\nenv = { PORT = 1, GATE_X = "" }\n'
    assert [key for key, _, _ in problems(f"nonsense = 1\n{text}")] == [
        "nonsense",
        "gate.max_train",
        "sites.Shop.path",
        "sites.Shop.mode",
        "sites.Shop.env.PORT",
        "sites.Shop",
        "sites.Shop.script",
        "sites.Shop.env.GATE_X",
        "agents.a.owner",
        "agents.a.role",
    ]


ENGINE = '[gate]\nship = "external"\n[mirror]\nurls = ["/m.git", "/n.git"]\n[external]\n'
ASKED = 'health = ["healthy"]\n'
ONE_OF_TWO = 'How the engine is asked: give health = ["command", …] or url = "https://…", one of the two.'
NO_BRANCH = 'It must be a branch, such as "rollout".'
OURS = 'It is the gate\'s already, and this one is forced back at times. Choose another, such as "rollout".'
NO_MIRROR = 'It is none of mirror.urls. Did you mean "/n.git"?'
THEIRS = 'With ship = "external" the engine runs the site: say it to the engine. Leave it out here.'

OF_AN_ENGINE = [
    ("", "external", None, ONE_OF_TWO),
    (f'{ASKED}url = "https://x.example/"', "external", None, ONE_OF_TWO),
    ('health = ["is it up"]', "external.health", '["is it up"]', f'{SHELL} Write ["is", "it", "up"].'),
    ('url = "x"', "external.url", '"x"', "It must start with http:// or https://."),
    (f'{ASKED}branch = "release"', "external.branch", '"release"', OURS),
    (f'{ASKED}branch = "request/x"', "external.branch", '"request/x"', OURS),
    (f'{ASKED}branch = "a..b"', "external.branch", '"a..b"', NO_BRANCH),
    (f'{ASKED}branch = "a.lock"', "external.branch", '"a.lock"', NO_BRANCH),
    (f'{ASKED}branch = "-f"', "external.branch", '"-f"', NO_BRANCH),
    (f'{ASKED}branch = "+a:b"', "external.branch", '"+a:b"', NO_BRANCH),
    (
        f'{ASKED}mirrors = ["/o.git"]',
        "external.mirrors[0]",
        '"/o.git"',
        NO_MIRROR,
    ),
    (f'{ASKED}interval = "0s"', "external.interval", '"0s"', "It must be at least 0.001s."),
    (ASKED, None, None, None),
]


@pytest.mark.parametrize(("text", "key", "value", "message"), OF_AN_ENGINE)
def test_a_mistake_in_what_an_engine_follows(
    text: str, key: str | None, value: str | None, message: str | None
) -> None:
    assert problems(f"{ENGINE}{text}\n{SHOP}") == ([] if key is None else [(key, value, message)])


def test_what_nobody_could_obey_is_refused() -> None:
    said = 'It does nothing without ship = "external" in [gate]: add that, or take it out.'
    assert problems(f"[external]\n{ASKED}{SHOP}") == [("external", None, said)]
    no_mirror = f'[gate]\nship = "external"\n[external]\n{ASKED}{SHOP}'
    said = 'With ship = "external" the engine follows a mirror: give at least one.'
    assert problems(no_mirror) == [("mirror.urls", None, said)]
    kept = ENGINE.replace("[mirror]", 'reload = "changed"\n[mirror]')
    said = "No process is kept here when an engine runs the sites. Leave it out."
    assert problems(f"{kept}{ASKED}{SHOP}") == [("gate.reload", '"changed"', said)]
    for option in ('env_file = "var/env/shop"', 'user = "site-shop"', 'data = ["up"]', 'writable = ["tmp"]'):
        key, _, value = option.partition(" = ")
        assert problems(f"{ENGINE}{ASKED}{SHOP}{option}\n") == [(f"sites.shop.{key}", value, THEIRS)]


def problems(text: str) -> list[tuple[str, str | None, str]]:
    try:
        from_tables(tomllib.loads(text), file="sites.toml")
    except ConfigProblems as stop:
        return [(problem.key, problem.value, problem.message) for problem in stop.problems]
    return []
