#!/usr/bin/env bash
# Usage: base.sh IMAGE PYTHON
# Import IMAGE into podman: a stand-in for NVIDIA's tritonserver image, for machines that cannot pull that one. It has the
# same interface: a distribution with Python and pip, and /opt/tritonserver/{bin,lib,backends}; and the same traps. What it
# lacks is everything for GPUs, TensorRT, and the native onnxruntime backend, in whose place it has the Python-based one.
# PYTHON is one with the nvidia-pytriton wheel, whose tritonserver is taken. Needs root, for debootstrap.
set -euo pipefail
image=$1 python=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=python3,python3-pip,libpython3.11,ca-certificates bookworm "$root" >"$root.log" ||
  { tail -20 "$root.log"; exit 1; }
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root.log"

wheel=$("$python" -c 'import importlib.util, pathlib; print(pathlib.Path(importlib.util.find_spec("pytriton").origin).parent)')
triton=$root/opt/tritonserver
mkdir -p "$triton/bin" "$triton/lib"
install -m 755 "$wheel/tritonserver/bin/tritonserver" "$triton/bin/"
cp "$wheel"/../nvidia_pytriton.libs/* "$triton/lib/"
cp -r "$wheel/tritonserver/backends" "$triton/"
install -m 755 "$wheel/tritonserver/python_backend_stubs/3.11/triton_python_backend_stub" "$triton/backends/python/"
cp -r "$here/../../../triton_backends/onnxruntime" "$triton/backends/"
find "$triton" -name __pycache__ -prune -exec rm -rf {} +

# DALI's folder, which NVIDIA's image has on PYTHONPATH, with a colon behind it that adds the current folder. Its numpy is
# another one, which fails where it is used; whoever imports one of the others fails at once.
dali=$triton/backends/dali/wheel/dali
mkdir -p "$dali/numpy"
cat >"$dali/numpy/__init__.py" <<'END'
__version__ = "2.3.5"


def __getattr__(name):
    raise ImportError(f"numpy.{name} of DALI's folder, which PYTHONPATH names")
END
for module in packaging six typing_extensions; do
  echo "raise ImportError('$module of the folder of DALI, which PYTHONPATH names')" >"$dali/$module.py"
done

tar -C "$root" -c . | podman import --quiet --change 'ENV NVIDIA_TRITON_SERVER_VERSION=24.10-stand-in' \
  --change "ENV PYTHONPATH=${dali#"$root"}:" - "$image"
