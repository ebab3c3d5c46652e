"""The first team's remote client: a link of 25 ms round trip and 30 Mbit/s uplink in front of one backend.

    client --- loopback --- [near end] === veth pair, tbf on the uplink === [far end] --- server
                                     namespace A               namespace B

The rate is the kernel's: a token bucket (`tc ... tbf`) on the uplink side of a veth pair between two network namespaces
that only our process knows. The delay is ours: the far end is a TCP relay that holds every chunk back, in both
directions, for half a round trip from its arrival, as a pipeline, so that the rate stays. `tc netem` would delay the
packets themselves; it is not used even where a kernel has it, so that all machines measure the same link.

What follows from a relay: a connection's set-up is paid with one round trip before its first byte moves, and the sender
is held back by the link's rate but never by TCP's slow start, which a real link adds to a connection's first requests. The
downlink has the delay and no limit of rate. Nothing is lost on the way.
"""

from bench.wan.calibration import Calibration
from bench.wan.link import Link, Unavailable, link

__all__ = ["link", "Link", "Calibration", "Unavailable"]
