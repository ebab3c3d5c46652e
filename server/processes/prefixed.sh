#!/bin/sh
# Usage: prefixed.sh NAME COMMAND [ARGUMENT ...]
# Become COMMAND, with NAME in front of every line that it and its children print. COMMAND keeps this process id, so
# supervisord signals the program itself; the filter ends by itself when the last writer is gone.
name=$1
shift
fifo=$(mktemp -u) && mkfifo -m 600 "$fifo" || exit 1
sed -u "s/^/[$name] /" <"$fifo" &
exec >"$fifo" 2>&1
rm -f "$fifo"
exec "$@"
