#!/bin/sh
# Usage: prefixed.sh NAME COMMAND [ARGUMENT ...]
# Become COMMAND, with NAME in front of every line that it and its children print. COMMAND keeps this process id, so
# supervisord signals the program itself. The filter ends by itself when the last writer is gone; it is no child of COMMAND
# and not in its process group, because it has to outlive whoever kills those, and writes down their last lines.
name=$1
shift
last=$BAKEOFF_RUN/$name.last
rm -f "$last"
fifo=$(mktemp -u) && mkfifo -m 600 "$fifo" || exit 1
# By SUPERVISOR_PROCESS_NAME the gate knows the program itself (server/processes/programs.py).
(env -u SUPERVISOR_PROCESS_NAME setsid python -ISE "$(dirname "$0")/prefix.py" "$name" "$last" <"$fifo" &)
exec >"$fifo" 2>&1
rm -f "$fifo"
exec "$@"
