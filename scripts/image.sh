#!/usr/bin/env bash
# Usage: image.sh IMAGE [ARGUMENT ...] -- build IMAGE for linux/amd64 with docker (buildx) or podman, whichever works here.
# Further arguments go to the engine, e.g. --build-arg PRETRAINED=laion2b_s34b_b79k. CONTAINER_ENGINE=podman insists on one.
set -euo pipefail
cd "$(dirname "$0")/.."
image=$1
shift
dockerfile=Dockerfile.step6a-all
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] || revision+=-dirty
set -- --platform linux/amd64 --tag "$image" --build-arg "REVISION=$revision" "$@"

if [ "${CONTAINER_ENGINE:-docker}" = docker ] && docker info >/dev/null 2>&1; then
  # What the image holds and how it was built, as BuildKit attests it; Docker's older image store refuses an image with it.
  attestations=()
  if docker info --format '{{.DriverStatus}}' | grep --quiet io.containerd.snapshotter; then
    attestations=(--sbom=true --provenance=mode=max)
  else
    echo "image: without attestations, which this Docker's image store cannot keep; its containerd image store can" >&2
  fi
  exec docker buildx build --load "${attestations[@]}" --file "$dockerfile" "$@" .
fi
command -v podman >/dev/null || { echo "image: neither a Docker engine nor podman is here; apt-get install podman runc" >&2; exit 1; }
# Health checks exist in the docker format only. Podman's builder learnt --start-interval with version 5; without it
# docker asks every 10 s during the start instead of every 2 s.
if [ "$(podman version --format '{{.Client.Version}}' | cut -d. -f1)" -lt 5 ]; then
  old=$(mktemp)
  trap 'rm -f "$old"' EXIT
  sed -E 's/ --start-interval=[^ ]+//' "$dockerfile" >"$old"
  dockerfile=$old
fi
# crun, podman's usual runtime, does not start containers where cgroups v1 and v2 are mixed; runc does.
runtime=()
! command -v runc >/dev/null || runtime=(--runtime runc)
echo "image: without provenance, which podman does not attest; labels name revision and base, and sbom.cdx.json in it the packages" >&2
podman "${runtime[@]}" build --format docker --network host --file "$dockerfile" "$@" .
