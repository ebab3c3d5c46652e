"""Work on what strangers sent, in processes of its own: each may take so much processor time, and is ended and replaced alone.

A thread that reads a hostile image cannot be stopped, and one that parses hostile JSON holds Python's interpreter lock against the whole
process. Whoever hands something to such a process waits for it in a thread, without the lock.
"""

from server.isolation.errors import Costly, Crashed, Refusal
from server.isolation.pool import Pool

__all__ = ["Costly", "Crashed", "Pool", "Refusal"]
