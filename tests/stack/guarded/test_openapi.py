"""8002 keeps what its OpenAPI document says, whatever is sent."""

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.stack.stack import RunningStack

EXAMPLES = 8
"""For each operation."""


def test_no_request_is_answered_with_a_server_error(guarded: RunningStack) -> None:
    document = httpx.get(f"{guarded.url()}/openapi.json", headers=guarded.headers).json()
    operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
    assert len(operations) > 10
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
            answer = case.call(base_url=guarded.url(), headers=dict(guarded.headers), timeout=60)
            assert answer.status_code < 500 or answer.status_code == 503, answer.text
            if answer.status_code >= 400:
                assert answer.json()["error"]

        check()
