#!/usr/bin/env bash
# Usage: setup.sh PYTHON VENV cpu|gpu -- install what uv.lock says into VENV. Safe to repeat.
set -euo pipefail
python=$1 venv=$2 runtime=$3

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

[ -n "$python" ] || fail "no Python found; install Python 3.11 or 3.12, e.g. apt-get install python3 python3-venv"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $version in
  3.11 | 3.12) ;;
  *) fail "$python is Python $version; Python 3.11 or 3.12 is needed (make setup PYTHON=/path/to/python3.12)" ;;
esac
"$python" -IS "$(dirname "$0")/../server/paths.py" "$PWD" || fail "nothing is installed; see the line above"
library=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("INSTSONAME"))')
folder=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')
multiarch=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("MULTIARCH") or "")')
[ -e "$folder/libpython$version.so.1.0" ] || [ -e "$folder/$multiarch/libpython$version.so.1.0" ] ||
  [ -e "/usr/lib/$multiarch/libpython$version.so.1.0" ] ||
  fail "libpython$version.so.1.0 is missing (this Python has $library), and tritonserver needs it: apt-get install libpython$version"

[ -x "$venv/bin/python" ] || { say "virtual environment in $venv, Python $version" && "$python" -m venv "$venv"; }
say "uv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r scripts/uv.txt
say "packages ($runtime build of ONNX Runtime; about 6 GB the first time)"
# Compiled once: where PYTHONDONTWRITEBYTECODE is set, every process would compile all of torch again, for seconds.
VIRTUAL_ENV=$PWD/$venv "$venv/bin/uv" sync --frozen --active --inexact --compile-bytecode --extra "$runtime"
# Triton's Python stub reads this file as ASCII, whatever the locale, and a checkout's folder may have any letters in its name.
pth=$(echo "$venv"/lib/python*/site-packages/_editable_impl_clip_bakeoff.pth)
"$venv/bin/python" -c 'import os, sysconfig; print(os.path.relpath(os.getcwd(), sysconfig.get_path("purelib")))' >"$pth.new"
mv "$pth.new" "$pth"
say "done"
