#!/bin/sh
# What the container runs, and `bakeoff up` too: check, make what is missing, become supervisord.
# With arguments it runs those instead, e.g. `docker run IMAGE bakeoff preflight`.
set -eu
umask 077 # of everything below, Triton and its shared memory too: other users of the machine get nothing to read
here=$(cd "$(dirname "$0")" && pwd)
[ -d "$here/.venv/bin" ] && PATH=$here/.venv/bin:$PATH && export PATH
compat=$(cd "$here" && python -m server.cuda_compat)
[ -z "$compat" ] || export LD_LIBRARY_PATH="$compat${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
[ $# -eq 0 ] || exec "$@"
cd "$here"
if [ -n "${BAKEOFF_HOME:-}" ] && mkdir -p "$BAKEOFF_HOME/state" 2>/dev/null; then
  # `bakeoff status --wait` finds a start that is still checking or exporting by it; exec keeps the process id.
  echo $$ 2>/dev/null >"$BAKEOFF_HOME/state/launch.pid" || true
  # On a kept volume the last container's word, seconds old, must not make this one healthy.
  [ $$ -ne 1 ] || rm -f "$BAKEOFF_HOME/state/ready.json"
fi

# A shell hears a signal only between its commands, and as a container's first process it has no default for it.
stoppable() {
  "$@" &
  child=$!
  trap 'kill "$child" 2>/dev/null; wait "$child" || true; exit 143' TERM INT
  wait "$child"
  trap - TERM INT
}
stoppable bakeoff preflight
stoppable bakeoff export
exec python -m server.processes.supervisor
