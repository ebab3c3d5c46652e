#!/bin/sh
# Usage: install.sh REQUIREMENTS TORCH_INDEX -- make .venv with what REQUIREMENTS names, its hashes checked.
# With TORCH_INDEX, torch comes from there in the same version, with the CUDA libraries that it wants; those have no hashes.
set -eu
requirements=$1 torch_index=$2

uv venv --quiet --python /usr/bin/python3 .venv
if [ -n "$torch_index" ]; then
  sed -n -E 's/^(torch|torchvision)==([^ ;]*).*/\1==\2/p' "$requirements" |
    xargs uv pip install --quiet --index-url "$torch_index"
  uv pip install --quiet "cuda-bindings==${CUDA_VERSION%%.*}.*"
  # Each requirement is a paragraph: its hashes follow in lines that are set in.
  awk '/^[^ ]/ { skip = /^(torch|torchvision|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/ && !/^nvidia-ml-py/ } !skip' \
    "$requirements" >/tmp/others.txt
  requirements=/tmp/others.txt
fi
uv pip install --quiet --no-deps --require-hashes --requirements "$requirements"
# Headers and static libraries are for building against, and nothing is built here. Packages' tests, 100 MB, are theirs.
find .venv/lib -type d \( -name include -o -name tests \) -path '*/site-packages/*' -prune -exec rm -rf {} +
find .venv/lib -name '*.a' -delete
rm -f .venv/.lock
