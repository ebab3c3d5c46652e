"""The short form of `make load`: three times what a backend can answer."""

from server.model.reference import Reference
from tests.chaos.load import Backend, closed, opened
from tests.stack.stack import RunningStack

IN_FLIGHT = 4
PEAK_S = 3.0
OVERLOAD_S = 8.0
MORE_PER_S = 20.0
"""So that the queues fill on the slowest machine too."""


async def test_too_much_is_refused_in_words_and_the_rest_is_answered_right(
    guarded: RunningStack, reference: Reference, backend: str
) -> None:
    guarded.wait(200)
    one = Backend(guarded, backend, reference)
    peak = await closed(one, IN_FLIGHT, PEAK_S)
    seen = await opened(one, 3 * peak.goodput + MORE_PER_S, OVERLOAD_S)
    assert set(seen.counts) == {"right", "refused"}, seen.examples
