"""The file of addresses: what a line may say, what is told of a mistake, and that no token is ever shown."""

import os
from pathlib import Path

import pytest

from gatekeeper.alerts.addresses import Kind, load, parse
from gatekeeper.policy.alerting import Channel, Level, Quiet

FILE = """# who is told

mailto://kim:s3cret@mail.example level=error
slack://s3cret/#gate level=warning quiet=22:00-07:00 name=day-shift
exec:/usr/local/bin/page --to "night shift" level=error
https://hc.example/s3cret ping
"""


def test_a_line_is_an_address_with_level_quiet_hours_and_name() -> None:
    found = parse(FILE, "var/alerts")
    assert found.problems == ()
    mail, slack, page, ping = found.all
    assert (mail.kind, mail.level, mail.quiet, mail.label) == (Kind.APPRISE, Level.ERROR, None, "mailto://… (line 3)")
    assert (slack.target, slack.level, slack.label) == ("slack://s3cret/#gate", Level.WARNING, "day-shift")
    assert slack.quiet == Quiet(22 * 60, 7 * 60)
    assert (page.kind, page.target) == (Kind.EXEC, 'exec:/usr/local/bin/page --to "night shift"')
    assert page.label == "exec:/usr/local/bin/page (line 5)"
    assert (ping.kind, found.pings, found.people) == (Kind.PING, (ping,), (mail, slack, page))


def test_an_address_on_two_lines_hears_what_either_lets_through() -> None:
    text = "json://a level=error\njson://a quiet=22:00-07:00\n"
    (channel,) = parse(text, "f").channels
    assert channel.takes(Level.ERROR, 60)
    assert not channel.takes(Level.WARNING, 60)
    assert channel.takes(Level.WARNING, 12 * 60)


def test_quiet_hours_run_past_midnight_and_end_on_the_minute() -> None:
    night, noon = Quiet(22 * 60, 7 * 60), Quiet(12 * 60, 13 * 60)
    assert [night.holds(minute) for minute in (0, 7 * 60 - 1, 7 * 60, 22 * 60 - 1, 22 * 60)] == [
        *(True, True, False, False, True)
    ]
    assert [noon.holds(minute) for minute in (719, 720, 779, 780)] == [False, True, True, False]
    assert Channel("x", ((Level.INFO, night),)).takes(Level.INFO, 7 * 60)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("slack://s3cret levle=error", 'there is no option of that name. Did you mean "level"?'),
        ("slack://s3cret x=s3cret", "there is no option of that name. Known: level, quiet, name, ping."),
        ("slack://s3cret level=loud", "level is one of info, warning, error."),
        ("slack://s3cret quiet=22-7", "quiet is written like quiet=22:00-07:00."),
        ("slack://s3cret quiet=07:00-07:00", "quiet is written like quiet=22:00-07:00."),
        ("s3cret", "it is neither an address such as mailto://…, one word, nor exec:/path/to/program."),
        (
            "slack://s3cret and more",
            "it is neither an address such as mailto://…, one word, nor exec:/path/to/program.",
        ),
        ("exec:page s3cret", "exec: is followed by the absolute path of a program and its words."),
        ('exec:/page "s3cret', "exec: is followed by the absolute path of a program and its words."),
        ("slack://s3cret ping", "a ping goes to an http:// or https:// address."),
    ],
)
def test_a_mistake_is_told_by_its_line_and_never_with_the_token(line: str, told: str) -> None:
    found = parse(f"json://good\n{line}\n", "var/alerts")
    assert [one.target for one in found.all] == ["json://good"]
    assert found.problems == (f"var/alerts, line 2: {told}",)
    assert "s3cret" not in str(found.problems)


def test_a_file_that_others_can_read_is_used_and_one_that_they_can_write_is_not(tmp_path: Path) -> None:
    file = tmp_path / "alerts"
    assert load(file, "var/alerts").all == ()
    file.write_text("json://a\n")
    file.chmod(0o600)
    assert (len(load(file, "var/alerts").all), load(file, "var/alerts").problems) == (1, ())
    file.chmod(0o640)
    assert (len(load(file, "var/alerts").all), len(load(file, "var/alerts").problems)) == (1, 1)
    file.chmod(0o620)
    assert (len(load(file, "var/alerts").all), len(load(file, "var/alerts").problems)) == (0, 1)
    if os.geteuid() == 0:
        file.chmod(0o600)
        os.chown(file, 12345, -1)
        assert (len(load(file, "var/alerts").all), len(load(file, "var/alerts").problems)) == (0, 1)
