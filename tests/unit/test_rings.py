"""Every test file has its place in the run, and what shares ports or what is built for it shares a worker."""

from pathlib import Path

import pytest

from tests.rings import ByGroup, place

TESTS = Path(__file__).parents[1]


def test_every_test_file_has_its_place() -> None:
    files = [file.relative_to(TESTS.parent).as_posix() for file in TESTS.rglob("test_*.py")]
    assert all(place(file)[1] for file in files)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("tests/image/test_start.py", "tests/image/test_faults.py", True),
        ("tests/stack/test_rest.py", "tests/stack/test_lifecycle.py", True),
        ("tests/stack/guarded/test_access.py", "tests/stack/guarded/test_load.py", True),
        ("tests/stack/own/test_keep.py", "tests/stack/own/test_page.py", True),
        ("tests/stack/test_rest.py", "tests/stack/own/test_page.py", False),
        ("tests/stack/test_rest.py", "tests/stack/guarded/test_load.py", True),
        ("tests/stack/test_rest.py", "tests/stack/bench/test_whole_run.py", False),
        ("tests/unit/tensorrt/test_builder.py", "tests/unit/tensorrt/test_plans.py", True),
        ("tests/unit/test_keys.py", "tests/unit/test_lock.py", False),
    ],
)
def test_what_shares_something_expensive_shares_a_worker(one: str, other: str, together: bool) -> None:
    assert (place(one)[1] == place(other)[1]) == together


def test_containers_come_first_and_stacks_last_beside_what_waits() -> None:
    order = ("tests/image/test_start.py", "tests/unit/test_keys.py", "tests/stack/test_rest.py")
    beside = ("tests/stack/own/test_keep.py", "tests/stack/bench/test_whole_run.py")
    places = [place(file) for file in (*order, *beside)]
    assert places == sorted(places)


def test_a_worker_is_given_whole_groups(pytestconfig: pytest.Config) -> None:
    """What the scheduler makes of a test's id, brackets and all, is its group."""
    scheduler = ByGroup.__new__(ByGroup)
    for node in ("tests/image/test_start.py::test_it[a::b]", "tests/image/test_faults.py::test_it"):
        assert scheduler._split_scope(node) == "tests/image"
    assert pytestconfig.hook.pytest_xdist_make_scheduler.get_hookimpls()


def test_a_file_outside_the_rings_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"tests/elsewhere/test_new\.py is in none of"):
        place("tests/elsewhere/test_new.py")
