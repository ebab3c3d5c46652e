"""What is kept is whole and fits, or is not used; what is not used for longest goes first."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from server.tensorrt.cache import LOG, MANIFEST, PLAN, Identity, PlanCache

IDENTITY = Identity(
    onnx_sha256="0" * 64,
    gpu="NVIDIA H200",
    compute_capability="9.0",
    tensorrt="tensorrt 10.3.0",
    precision="fp16",
    profiles=((1, 8, 128), (1, 64, 128)),
    optimization_level=3,
    builder_sha256="1" * 64,
)
DESCRIPTION = {"tensors": [{"name": "image"}], "layers": [], "seconds": 57.5}


def keep(cache: PlanCache, identity: Identity = IDENTITY, size: int = 1000) -> str:
    folder = cache.folder(identity.key)
    folder.mkdir(parents=True)
    (folder / PLAN).write_bytes(b"p" * size)
    (folder / LOG).write_text("built")
    cache.keep(identity, DESCRIPTION, "2026-01-01T00:00:00+00:00")
    return identity.key


@pytest.fixture
def cache(tmp_path: Path) -> PlanCache:
    return PlanCache(tmp_path)


def test_what_was_kept_is_found_with_its_manifest(cache: PlanCache) -> None:
    key = keep(cache)
    plan = cache.find(key)
    assert plan is not None
    assert plan.manifest.identity == IDENTITY
    assert plan.manifest.build_seconds == 57.5
    assert json.loads((cache.folder(key) / MANIFEST).read_text())["key"] == key


@pytest.mark.parametrize(
    "change",
    [
        {"onnx_sha256": "2" * 64},
        {"gpu": "NVIDIA A100"},
        {"compute_capability": "8.0"},
        {"tensorrt": "tensorrt 10.4.0"},
        {"precision": "fp32"},
        {"profiles": ((1, 8, 64), (1, 64, 64))},
        {"optimization_level": 5},
        {"builder_sha256": "3" * 64},
    ],
)
def test_whatever_an_engine_depends_on_changes_its_key(change: dict[str, object]) -> None:
    assert IDENTITY.model_copy(update=change).key != IDENTITY.key


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (PLAN, b"p" * 999, "it has 999 bytes, expected 1000"),
        (PLAN, b"q" * 1000, "its content is not what was built"),
        (MANIFEST, b"{", "its manifest cannot be read"),
        (MANIFEST, b"{}", "its manifest cannot be read"),
    ],
)
def test_damage_is_found(
    cache: PlanCache, caplog: pytest.LogCaptureFixture, file: str, content: bytes, words: str
) -> None:
    key = keep(cache)
    (cache.folder(key) / file).write_bytes(content)
    assert cache.find(key) is None
    assert words in caplog.text


@pytest.mark.parametrize("file", [PLAN, MANIFEST])
def test_half_an_engine_is_none(cache: PlanCache, file: str) -> None:
    key = keep(cache)
    (cache.folder(key) / file).unlink()
    assert cache.find(key) is None


def test_a_foreign_engine_is_not_taken_for_ours(cache: PlanCache, caplog: pytest.LogCaptureFixture) -> None:
    key = keep(cache)
    cache.folder(key).rename(cache.folder("0123456789abcdef"))
    assert cache.find("0123456789abcdef") is None
    assert f"its manifest is of the engine {key}" in caplog.text


def several(cache: PlanCache) -> list[str]:
    """Keep three engines of 1,000 bytes and a bit; return their keys, the least recently used first."""
    keys = [keep(cache, IDENTITY.model_copy(update={"optimization_level": level})) for level in range(3)]
    for age, key in enumerate(keys):
        os.utime(cache.folder(key), (age, age))
    return keys


def test_pruning_removes_those_not_used_for_longest(cache: PlanCache) -> None:
    oldest, middle, newest = several(cache)
    assert cache.prune(2 * cache.size(newest)) == [oldest]
    assert cache.keys() == [newest, middle]


def test_a_used_engine_is_young_again(cache: PlanCache) -> None:
    oldest, middle, newest = several(cache)
    cache.touch(oldest)
    assert set(cache.prune(cache.size(oldest))) == {middle, newest}


def test_the_engine_in_use_stays_whatever_the_limit(cache: PlanCache) -> None:
    oldest, _, _ = several(cache)
    cache.prune(0, keep=oldest)
    assert cache.keys() == [oldest]


def test_an_engine_that_is_being_built_stays(cache: PlanCache) -> None:
    oldest, _, _ = several(cache)
    with cache.lock(oldest):
        cache.prune(0)
    assert cache.keys() == [oldest]


def test_kernel_timings_belong_to_one_tensorrt_and_one_gpu(cache: PlanCache, tmp_path: Path) -> None:
    file = cache.timing_cache("tensorrt 10.3.0", "NVIDIA H200")
    assert file.parent == tmp_path
    assert file == cache.timing_cache("tensorrt 10.3.0", "NVIDIA H200")
    assert file != cache.timing_cache("tensorrt 10.4.0", "NVIDIA H200")
    assert file != cache.timing_cache("tensorrt 10.3.0", "NVIDIA A100")
    assert cache.keys() == []


def test_whole_engines_are_listed_the_most_recently_used_first(cache: PlanCache) -> None:
    oldest, middle, newest = several(cache)
    (cache.folder(middle) / PLAN).write_bytes(b"damaged")
    assert [plan.manifest.key for plan in cache.plans()] == [newest, oldest]


def test_a_manifest_holds_all_that_is_known_of_an_engine(cache: PlanCache) -> None:
    key = keep(cache)
    plan = cache.find(key)
    assert plan is not None
    assert plan.path == cache.folder(key) / PLAN
    manifest = plan.manifest
    assert (manifest.key, manifest.built_at, manifest.size) == (key, "2026-01-01T00:00:00+00:00", 1000)
    assert manifest.sha256 == hashlib.sha256(b"p" * 1000).hexdigest()
    assert (manifest.tensors, manifest.layers) == ([{"name": "image"}], [])
    assert cache.keep(IDENTITY, DESCRIPTION, manifest.built_at) == plan
    assert len(key) == 16


def test_a_manifest_that_was_made_to_fit_another_folder_is_found_out(
    cache: PlanCache, caplog: pytest.LogCaptureFixture
) -> None:
    key = keep(cache)
    cache.folder(key).rename(cache.folder("0123456789abcdef"))
    file = cache.folder("0123456789abcdef") / MANIFEST
    file.write_text(json.dumps(json.loads(file.read_text()) | {"key": "0123456789abcdef"}))
    assert cache.find("0123456789abcdef") is None
    assert caplog.messages == [f"engine 0123456789abcdef is not used: its manifest is of the engine {key}"]


def test_an_engine_that_cannot_be_read_is_not_used_and_the_log_says_why(
    cache: PlanCache, caplog: pytest.LogCaptureFixture
) -> None:
    key = keep(cache)
    (cache.folder(key) / MANIFEST).unlink()
    assert cache.find(key) is None
    assert caplog.messages == [], "an engine that is still being built is no problem"
    (cache.folder(key) / MANIFEST).mkdir()
    assert cache.find(key) is None
    assert caplog.messages == [f"engine {key} is not used: it cannot be read (Is a directory)"]


def test_a_damaged_engine_is_told_in_one_line(cache: PlanCache, caplog: pytest.LogCaptureFixture) -> None:
    key = keep(cache)
    (cache.folder(key) / PLAN).write_bytes(b"q" * 1000)
    assert cache.find(key) is None
    (cache.folder(key) / MANIFEST).write_text("{")
    assert cache.find(key) is None
    assert caplog.messages == [
        f"engine {key} is not used: its content is not what was built",
        f"engine {key} is not used: its manifest cannot be read",
    ]


def test_pruning_counts_what_stays_and_tells_what_goes(cache: PlanCache, caplog: pytest.LogCaptureFixture) -> None:
    oldest, middle, newest = several(cache)
    size = cache.size(oldest)
    assert size == sum(file.stat().st_size for file in cache.folder(oldest).iterdir()) > 1000
    with caplog.at_level("INFO", "bakeoff.tensorrt"):
        assert cache.prune(3 * size) == []
        assert cache.prune(2 * size, keep=oldest) == [middle]
    assert cache.keys() == [newest, oldest]
    assert caplog.messages == [
        f"engine {middle} removed: not used for longest, and the cache is full (ENGINE_CACHE_GB)"
    ]
    assert cache.prune(2 * size - 1) == [oldest]


def test_what_is_smaller_and_older_may_stay_where_a_larger_one_goes(cache: PlanCache) -> None:
    small = keep(cache, IDENTITY.model_copy(update={"optimization_level": 0}), size=10)
    large = keep(cache, IDENTITY.model_copy(update={"optimization_level": 1}), size=5000)
    newest = keep(cache, IDENTITY.model_copy(update={"optimization_level": 2}), size=10)
    for age, key in enumerate((small, large, newest)):
        os.utime(cache.folder(key), (age, age))
    assert cache.prune(cache.size(small) + cache.size(newest)) == [large]


def test_locks_and_other_files_are_no_engines(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path / "not" / "there" / "yet")
    assert cache.keys() == []
    with cache.lock("0123456789abcdef") as held:
        assert held.is_locked
        assert Path(held.lock_file).name == "0123456789abcdef.lock"
    key = keep(cache)
    cache.timing_cache("tensorrt 10.3.0", None).write_bytes(b"timings")
    assert cache.keys() == [key]
    assert cache.timing_cache("tensorrt 10.3.0", None).name == (
        f"timings-{hashlib.sha256(b'tensorrt 10.3.0 None').hexdigest()[:16]}.cache"
    )


def test_only_what_was_removed_is_said_to_be(cache: PlanCache) -> None:
    oldest, middle, newest = several(cache)
    with cache.lock(oldest):
        assert cache.prune(0) == [newest, middle]
    plan = cache.find(oldest)
    assert plan is not None
    assert plan.path.read_bytes() == b"p" * 1000
