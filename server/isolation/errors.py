"""How work in a process of its own may end, besides with a result."""


class Refusal(Exception):
    """What was sent cannot be used; raised in the process, and again where its result is waited for."""


class Costly(Exception):
    """What was sent took more processor time, or more time altogether, than anything may; its process has been ended."""


class Crashed(RuntimeError):
    """The process ended or failed, twice where it may have been ended from outside; its log lines say why."""
