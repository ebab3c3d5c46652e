import pytest

from bench.scenarios import Scenario
from bench.table import powers_of_two, scenarios, speaking, thinned

ALL = ("startup", "single", "batch", "concurrency", "offline", "server", "wan")


def names(found: tuple[Scenario, ...]) -> list[str]:
    return [each.name for each in found]


def test_the_quick_form_is_four_scenarios_over_http() -> None:
    found = scenarios(("single", "batch"), ("http", "grpc"), 128, on_gpu=True, quick=True)
    assert names(found) == [
        "single-encoded-http",
        "single-pixels-http",
        "batch-encoded-http-b8",
        "batch-pixels-http-b8",
    ]
    on_cpu = scenarios(("batch",), ("http",), 128, on_gpu=False, quick=True)
    assert names(on_cpu) == ["batch-encoded-http-b4", "batch-pixels-http-b4"]


def test_the_full_form_has_every_kind_input_and_transport() -> None:
    found = scenarios(ALL, ("http", "grpc"), 128, on_gpu=True, quick=False)
    assert len(names(found)) == len(set(names(found)))
    for kind, loads in {"single": 1, "batch": 7, "concurrency": 6, "offline": 1, "server": 1}.items():
        assert sum(each.kind == kind for each in found) == loads * 2 * 2
    assert [each.name for each in found if each.kind == "wan"] == ["wan-encoded-http", "wan-pixels-http"]


def test_names_and_titles_tell_scenarios_apart() -> None:
    found = scenarios(ALL, ("http", "grpc"), 128, on_gpu=True, quick=False)
    assert len({each.title for each in found}) == len(found)
    assert Scenario(kind="batch", input="encoded", batch=8).title == "batch 8, encoded photos"
    assert Scenario(kind="concurrency", input="pixels", transport="grpc", in_flight=16).title == (
        "16 in flight, pixels, gRPC"
    )


@pytest.mark.parametrize(("most", "batches"), [(1, []), (4, [4]), (128, [128])])
def test_nothing_is_asked_that_a_server_does_not_take(most: int, batches: list[int]) -> None:
    found = scenarios(ALL, ("http",), most, on_gpu=True, quick=False)
    assert max(each.batch for each in found) <= most
    assert [each.batch for each in found if each.kind == "batch"][-1:] == batches


def test_powers_of_two_end_with_the_most() -> None:
    assert [powers_of_two(most) for most in (1, 2, 6, 8)] == [[], [2], [2, 4, 6], [2, 4, 8]]


def test_a_scenario_is_measured_on_those_that_speak_its_transport() -> None:
    transports = {"pytorch": ("http",), "onnx": ("http", "grpc")}
    assert speaking(Scenario(kind="single", input="pixels"), transports) == ["pytorch", "onnx"]  # type: ignore[arg-type]
    grpc = Scenario(kind="single", input="pixels", transport="grpc")
    assert speaking(grpc, transports) == ["onnx"]  # type: ignore[arg-type]


def test_thinning_halves_the_curves_and_keeps_their_ends() -> None:
    found = scenarios(ALL, ("http",), 128, on_gpu=True, quick=False)
    fewer = thinned(found)
    assert [each.batch for each in fewer if each.kind == "batch" and each.input == "pixels"] == [2, 8, 32, 128]
    assert [each.in_flight for each in fewer if each.kind == "concurrency" and each.input == "pixels"] == [4, 16, 64]
    assert [each for each in fewer if each.kind == "single"] == [each for each in found if each.kind == "single"]
    least = found
    while thinned(least) != least:
        least = thinned(least)
    assert [each.batch for each in least if each.kind == "batch"] == [128, 128]
