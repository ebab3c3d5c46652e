#!/usr/bin/env bash
# Usage: image_test.sh PYTHON IMAGE [ARGUMENT ...] -- build IMAGE on the stand-in base, with random weights and without
# TensorRT. Further arguments go to the engine, e.g. --no-cache.
# The base is kept, under a name that its recipe decides.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 image=$2
shift 2
recipe=$(cat tests/image/stand_in/base.sh triton_backends/onnxruntime/model.py uv.lock | sha256sum | cut -c1-12)
base=localhost/clip-bakeoff-stand-in:$recipe
podman image exists "$base" || tests/image/stand_in/base.sh "$base" "$python"

certificates=/etc/ssl/certs/ca-certificates.crt  # a proxy's own authority, where this machine has one
volume=()
[ ! -r "$certificates" ] || volume=(--volume "$certificates:$certificates:ro")
exec env CONTAINER_ENGINE=podman scripts/image.sh "$image" --build-arg "TRITON_IMAGE=$base" --build-arg TENSORRT=none \
  --build-arg PRETRAINED=random --build-arg ALLOW_RANDOM_WEIGHTS=yes "${volume[@]}" "$@"
