from gatekeeper.config.public import HIDDEN, without_secrets
from gatekeeper.config.schema import Check, Config, Gate, Limits, Site


def test_what_looks_like_a_secret_is_hidden_wherever_an_environment_is_written() -> None:
    env = {
        "PORT": "4101",
        "API_TOKEN": "t0ps3cret",
        "DB_PASSWORD": "t0ps3cret",
        "DATABASE_URL": "postgres://shop:t0ps3cret@db/shop",
        "HOME_PAGE": "https://shop.example/",
    }
    site = Site(path="sites/shop", script="server.js", env=env, boot_env=env)
    check = Check(name="unit", run=("true",), paths=("lib",), env=env)
    told = without_secrets(Config(gate=Gate(), limits=Limits(), sites={"shop": site}, checks=(check,)))
    seen = {
        "PORT": "4101",
        "API_TOKEN": HIDDEN,
        "DB_PASSWORD": HIDDEN,
        "DATABASE_URL": HIDDEN,
        "HOME_PAGE": "https://shop.example/",
    }
    assert (told.sites["shop"].env, told.sites["shop"].boot_env, told.checks[0].env) == (seen, seen, seen)
    assert site.env == env
