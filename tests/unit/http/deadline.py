"""An end for whatever waits for ever: pytest-timeout's signal stops asyncio's own event loop, and not uvloop."""

import asyncio
import io
from collections.abc import Coroutine
from typing import Any

import pytest
import uvloop


class DeadlineLoop(uvloop.Loop):
    """The loop of the workers, in which a test and each of its async fixtures have `deadline_s` seconds."""

    deadline_s = 120.0

    def run_until_complete(self, work: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> Any:
        """Run `work`, and fail with the places where all tasks wait when it is not done in time."""
        waiting: list[str] = []

        def give_up() -> None:
            waiting.extend(map(_place, asyncio.all_tasks(self)))
            self.stop()

        timer = self.call_later(self.deadline_s, give_up)
        try:
            return super().run_until_complete(work)
        except RuntimeError:
            if not waiting:
                raise
            message = f"not done within {self.deadline_s:g} s; it waits here:\n{''.join(waiting)}"
            raise pytest.fail.Exception(message, pytrace=False) from None
        finally:
            timer.cancel()


def _place(task: asyncio.Task[Any]) -> str:
    text = io.StringIO()
    task.print_stack(file=text)
    return text.getvalue()
