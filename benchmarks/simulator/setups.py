"""The set-ups: S1 to S5 and SQ19 of the field, and ours."""

from benchmarks.simulator.world import Setup

_DAYS = 14 * 24.0


def _s5(rate: float, bad: float, flake: float, slots: int) -> Setup:
    words = (
        f"one machine, {rate:g} an hour, {bad:.0%} bad, {flake:.0%} flakes, checks of 300 s, {slots} slot(s), 14 days"
    )
    name = f"S5-{slots}-{rate:g}-{bad:g}-{flake:g}"
    return Setup(name, words, per_hour=rate, hours=_DAYS, bad=bad, flake=flake, slots=slots, seeds=5)


SETUPS = (
    Setup(
        "S1",
        "Sonos: saturated, jobs of 30 min, 10 % bad, train 5",
        burst=200,
        bad=0.1,
        seconds=1800,
        slots=5,
        max_train=5,
        seeds=10,
    ),
    Setup(
        "S2",
        "Trunk's load generator: 100 an hour for 30 min, tests of 35 min, 10 % flakes, 7 parts, up to 2 touched",
        per_hour=100,
        hours=0.5,
        bad=0.0,
        flake=0.1,
        surfaces=7,
        wide=0.5,
        seconds=2100,
        slots=20,
        pair=0.001,
        seeds=20,
    ),
    Setup(
        "S3",
        "Stolee: 6 an hour, full builds of 20 min with variance, 10 % bad, 5 slots",
        per_hour=6,
        hours=96,
        bad=0.1,
        seconds=1200,
        lognormal=0.3,
        slots=5,
        seeds=5,
    ),
    Setup(
        "S4-all",
        "Uber's demo: a burst of 30 that all conflict possibly, budget 4",
        burst=30,
        seconds=60,
        slots=4,
        pair=0.0335,
        seeds=40,
    ),
    Setup(
        "S4-apart",
        "Uber's demo: a burst of 30 over 10 folders, budget 4",
        burst=30,
        seconds=60,
        slots=4,
        surfaces=10,
        pair=0.0335,
        seeds=40,
    ),
    *(
        _s5(*row)
        for row in (
            (4, 0.05, 0, 1),
            (8, 0.05, 0, 1),
            (16, 0.05, 0, 1),
            (8, 0.1, 0.03, 1),
            (8, 0.2, 0.03, 1),
            (8, 0.05, 0, 4),
            (16, 0.05, 0, 4),
            (8, 0.1, 0.03, 4),
            (8, 0.2, 0.03, 4),
        )
    ),
    Setup("S5-burst-1", "a burst of 15 at once, 5 % bad, checks of 300 s, 1 slot", burst=15, slots=1, seeds=60),
    Setup("S5-burst-4", "a burst of 15 at once, 5 % bad, checks of 300 s, 4 slots", burst=15, slots=4, seeds=60),
    *(
        Setup(
            f"six-{slots}-{rate}",
            f"six surfaces, {rate} an hour for 7 days, 5 % bad, one in 7 touches two, checks of 60 s, {slots} slot(s)",
            per_hour=rate,
            hours=168,
            surfaces=6,
            wide=0.15,
            seconds=60,
            slots=slots,
            seeds=3,
        )
        for slots, rate in ((1, 30), (1, 45), (2, 45), (4, 45))
    ),
    *(
        Setup(
            f"SQ19-{rate}",
            f"SubmitQueue: {rate} an hour for 2 hours, 500 workers, builds lognormal around 30 min (at most"
            " 120), 5 % bad, 16 parts, 3.35 % of open pairs in a part break",
            per_hour=rate,
            hours=2,
            bad=0.05,
            pair=0.0335,
            surfaces=16,
            seconds=1800,
            lognormal=0.7,
            slots=500,
            max_train=64,
            window=64,
            seeds=3,
        )
        for rate in (100,)
    ),
)
