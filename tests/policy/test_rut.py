"""A heartbeat that leads nowhere ends; one that waits, or works, does not."""

from gatekeeper.model import Oid, Stage
from gatekeeper.policy.rut import Rut
from gatekeeper.policy.step import Converge, Seal, Ship, Step, Verify


def ship(tree: str) -> Ship:
    return Ship((Stage(None, Oid("c" * 40), Oid(tree)),), (), ())


def test_the_very_same_step_four_times_in_a_row() -> None:
    rut = Rut()
    assert [rut.after(Seal(("1.json",))) for _ in range(4)] == [False, False, False, True]


def test_another_step_in_between_is_progress() -> None:
    rut = Rut()
    steps: list[Step] = [Seal(("1.json",)), Converge(("shop",))] * 5
    assert not any(rut.after(step) for step in steps)


def test_waiting_for_checks_is_no_rut() -> None:
    rut = Rut()
    assert not any(rut.after(Verify()) for _ in range(50))


def test_one_tree_shipped_again_and_again_whatever_is_in_between() -> None:
    rut = Rut()
    steps: list[Step] = [step for n in range(4) for step in (ship("bad"), Seal((f"{n}.json",)))]
    assert [rut.after(step) for step in steps] == [False] * 6 + [True, True]


def test_one_train_after_the_other_is_no_rut() -> None:
    rut = Rut()
    assert not any(rut.after(ship(tree)) for tree in "abcdefgh")
