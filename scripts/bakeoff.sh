#!/usr/bin/env bash
# The whole bake-off: start the stack, wait until it is ready, measure, report; the stack is stopped however this ends.
set -euo pipefail
PATH=$PWD/.venv/bin:$PATH

bakeoff preflight
bakeoff export
trap 'bakeoff down' EXIT
bakeoff up --detach
bakeoff status --wait
bakeoff bench --quick
