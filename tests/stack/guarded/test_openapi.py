"""8002 keeps what its OpenAPI document says, whatever is sent."""

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.stack.stack import RunningStack

EXAMPLES = 8
"""For each operation."""


def test_no_request_is_answered_with_a_server_error(guarded: RunningStack) -> None:
    """What a busy machine may answer 503 is asked again once everything is ready, and answered then."""

    def ask(case: schemathesis.Case) -> schemathesis.Response:
        return case.call(base_url=guarded.url(), headers=dict(guarded.headers), timeout=60)

    guarded.wait(200)
    document = httpx.get(f"{guarded.url()}/openapi.json", headers=guarded.headers).json()
    operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
    assert len(operations) > 10
    operations.sort(key=lambda operation: operation.path == "/benchmark")  # last: it keeps all backends busy
    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: schemathesis.Case) -> None:
            answer = ask(case)
            if answer.status_code == 503:
                guarded.wait(200)
                answer = ask(case)
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.json()["error"]

        check()
