"""Nothing that is embedded depends on the console: it may die or hang, which is said, and is back by itself."""

import time
from collections.abc import Callable

import httpx
import psutil
import pytest
from tritonclient import http

from server.keys import ADMIN_VARIABLE
from server.model.reference import Reference
from server.sockets import CONSOLE, socket_path
from tests.stack.stack import RunningStack

NOTE = "the console, which answers /ready, does not answer"
BACK_WITHIN_S = 60
"""It takes 2 s, and a hanging one HANG_TIMEOUT_S before; the machine is shared."""


def embeds(stack: RunningStack, reference: Reference) -> bool:
    """Tell whether photos are embedded over REST, and pixels over the protocol of each backend."""
    answers = [httpx.post(f"{stack.url()}/embed", content=reference.files[0], headers=stack.headers, timeout=60)]
    pixels = http.InferInput("image", [1, 3, 224, 224], "UINT8")
    pixels.set_data_from_numpy(reference.pixels[:1])
    for port in stack.ports.values():
        with http.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=60) as client:
            client.infer("openclip_vit_b32", [pixels], headers=dict(stack.headers))  # raises where it is no answer
    return all(answer.status_code == 200 for answer in answers)


def programs(stack: RunningStack) -> dict[str, int]:
    """Return the process ids of supervisord's programs by their names."""
    children = psutil.Process(stack.process.pid).children()
    return {name: one.pid for one in children if (name := one.environ().get("SUPERVISOR_PROCESS_NAME"))}


@pytest.mark.parametrize("end", [psutil.Process.suspend, psutil.Process.kill], ids=["hanging", "killed"])
def test_without_the_console_embedding_goes_on_and_it_comes_back(
    guarded: RunningStack, reference: Reference, end: Callable[[psutil.Process], None]
) -> None:
    guarded.wait(200)
    before = programs(guarded)
    end(guarded.program("server.console"))
    said: list[httpx.Response] = []
    deadline = time.monotonic() + BACK_WITHIN_S
    while not said or said[-1].status_code != 200:
        assert time.monotonic() < deadline, said[-1].text
        assert embeds(guarded, reference)
        assert guarded.bakeoff("health").returncode == 0
        said.append(httpx.get(f"{guarded.url()}/ready", headers=guarded.headers, timeout=30))
        assert said[-1].status_code in (200, 503)
    assert said[0].status_code == 503
    assert said[0].json()["note"].startswith(NOTE)
    assert said[0].headers["Retry-After"]
    assert httpx.get(f"{guarded.url()}/").status_code == 200
    after = programs(guarded)
    assert {name for name, pid in before.items() if after[name] != pid} == {"console"}


def test_while_it_is_away_its_paths_say_so_and_the_metrics_are_those_of_8002(guarded: RunningStack) -> None:
    guarded.wait(200)
    guarded.program("server.console").kill()
    answer = httpx.get(f"{guarded.url()}/live", headers=guarded.headers)
    assert answer.status_code == 503
    assert "the console, which answers /live, does not answer" in answer.json()["error"]
    metrics = httpx.get(f"{guarded.url()}/metrics", headers=guarded.headers).text
    assert "bakeoff_images_total" in metrics
    assert "bakeoff_ready" not in metrics
    guarded.wait(200)
    assert "bakeoff_ready 1.0" in httpx.get(f"{guarded.url()}/metrics", headers=guarded.headers).text


def test_only_this_user_reaches_it_and_it_knows_no_administration(guarded: RunningStack) -> None:
    path = socket_path(guarded.home, CONSOLE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not guarded.program("server.console").environ().get(ADMIN_VARIABLE)
