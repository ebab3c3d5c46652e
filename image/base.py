"""What the base image must have, found in it and not guessed; run while the image is built.

    base.py check    [--tensorrt=none]    stop the build, with the remedy, when the base cannot carry the image
    base.py bindings [--tensorrt=none]    print the requirement of TensorRT's Python bindings for the base's libnvinfer
    base.py verify   [--tensorrt=none]    stop the build when what is imported is not of the lock's versions, or the bindings
                                          are not of libnvinfer's

Standard library only, and for Python 3.10 too, so that an old base is told what is wrong with it.
"""

import argparse
import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path

TRITON = Path("/opt/tritonserver")
TENSORRT_BACKEND = TRITON / "backends" / "tensorrt" / "libtriton_tensorrt.so"
VENV_PYTHON = ".venv/bin/python"
BINDINGS = "tensorrt_bindings"
"""The module in the wheel of that name; `tensorrt` comes with the libraries, which are the base's here."""

REQUIREMENTS = Path("requirements.txt")
"""What `uv.lock` says for the image."""

MODULES = {"numpy": "numpy", "torch": "torch", "onnxruntime": "onnxruntime", "PIL": "pillow"}
"""Modules whose version decides the numbers, and their packages."""

VERSIONS = (
    "import importlib, json, sys\n"
    "print(json.dumps({name: importlib.import_module(name).__version__ for name in sys.argv[1:]}))"
)

PYTHONS = ((3, 11), (3, 12))
REMEDY = "pass --build-arg TRITON_IMAGE=nvcr.io/nvidia/tritonserver:YY.MM-py3"


class BaseError(RuntimeError):
    """The base image lacks something; the message says what and what to do."""


def check(root: Path, python: "tuple[int, int]", backends: "tuple[str, ...]") -> str:
    """Return what was found, for the build's log.

    Args:
        root: Triton's folder.
        python: version of the base's Python.
        backends: those that must be there.

    Raises:
        BaseError: something is missing.
    """
    if python not in PYTHONS:
        wanted = " or ".join(f"{major}.{minor}" for major, minor in PYTHONS)
        raise BaseError(
            f"the base has Python {python[0]}.{python[1]}, and {wanted} is needed: {REMEDY} with a release from 24.11 on"
        )
    if not (root / "bin" / "tritonserver").is_file():
        raise BaseError(f"the base has no {root}/bin/tritonserver: {REMEDY}")
    missing = [name for name in backends if not (root / "backends" / name).is_dir()]
    if missing:
        raise BaseError(
            f"the base's tritonserver has no backend {' and no backend '.join(missing)} in {root}/backends: {REMEDY}, "
            "the full image and not one of the smaller ones (-py3-min, -pyt-python-py3, ...)"
        )
    return f"base: Python {python[0]}.{python[1]}, tritonserver with {', '.join(backends)}"


def libnvinfer(listing: str) -> Path:
    """Return the path of libnvinfer from what `ldd` prints of Triton's TensorRT backend.

    Raises:
        BaseError: it is not found by the loader.
    """
    found = re.search(r"libnvinfer\.so\S*\s+=>\s+(/\S+)", listing)
    if found is None:
        raise BaseError(f"{TENSORRT_BACKEND} finds no libnvinfer: {REMEDY}, or --build-arg TENSORRT=none to go without")
    return Path(found[1])


def requirement(number: int, cuda: str) -> str:
    """Return the requirement of the bindings for a libnvinfer.

    Args:
        number: what its getInferLibVersion says: 101303 is 10.13.3, 8601 is 8.6.1 (NvInferRuntimeBase.h).
        cuda: the base's CUDA version, such as `13.3.0.040`.

    Raises:
        BaseError: the CUDA version is not known.
    """
    major = re.match(r"\d+", cuda)
    if major is None:
        raise BaseError(f"CUDA_VERSION={cuda!r} in the base is no version: {REMEDY}")
    return f"tensorrt_cu{major[0]}_bindings=={version(number)}.*"


def version(number: int) -> str:
    """Return major, minor and patch of a number that getInferLibVersion says."""
    unit = 1000 if number < 10_000 else 10_000
    return f"{number // unit}.{number % unit // 100}.{number % 100}"


def differences(requirements: str, imported: "dict[str, str]") -> "list[str]":
    """Return what is imported in another version than is required, in words.

    Args:
        requirements: lines such as `numpy==1.26.4`; what torch's index adds to its version (`+cu129`) does not matter.
        imported: versions by module.
    """
    required = dict(re.findall(r"^([A-Za-z0-9-]+)==([^ ;\\\n]+)", requirements, re.MULTILINE))
    return [
        f"{MODULES[module]} {found} is imported, and uv.lock has {required.get(MODULES[module])}"
        for module, found in imported.items()
        if found.partition("+")[0] != required.get(MODULES[module])
    ]


def _verify_packages() -> str:
    asked = subprocess.run([VENV_PYTHON, "-c", VERSIONS, *MODULES], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise BaseError(f"a package cannot be imported: {asked.stderr.strip().splitlines()[-1]}")
    imported = json.loads(asked.stdout.splitlines()[-1])
    if wrong := differences(REQUIREMENTS.read_text(encoding="utf-8"), imported):
        path = os.environ.get("PYTHONPATH")
        raise BaseError(f"{'; '.join(wrong)}: {f'PYTHONPATH={path} has others' if path else 'see image/install.sh'}")
    return f"imported: {', '.join(f'{MODULES[module]} {found}' for module, found in imported.items())}"


def _number_of_base() -> int:
    listing = subprocess.run(["ldd", str(TENSORRT_BACKEND)], capture_output=True, text=True, check=False).stdout
    return int(ctypes.CDLL(str(libnvinfer(listing))).getInferLibVersion())


def _verify_bindings() -> str:
    asked = subprocess.run(
        [VENV_PYTHON, "-c", f"import {BINDINGS}; print({BINDINGS}.__version__)"],
        capture_output=True,
        text=True,
        check=False,
    )
    wanted = version(_number_of_base())
    if asked.returncode != 0 or not asked.stdout.startswith(f"{wanted}."):
        found = asked.stdout.strip() or asked.stderr.strip().splitlines()[-1]
        raise BaseError(f"TensorRT's Python bindings do not fit the base's libnvinfer {wanted}: {found}")
    return f"TensorRT {asked.stdout.strip()}: bindings and the base's library agree"


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("check", "bindings", "verify"))
    parser.add_argument("--tensorrt", choices=("required", "none"), default="required")
    arguments = parser.parse_args()
    with_tensorrt = arguments.tensorrt == "required"
    try:
        if arguments.action == "check":
            backends = ("python", "onnxruntime", *(("tensorrt",) if with_tensorrt else ()))
            print(check(TRITON, sys.version_info[:2], backends))
        elif arguments.action == "verify":
            print(_verify_packages())
            print(_verify_bindings() if with_tensorrt else "TENSORRT=none: no bindings")
        elif with_tensorrt:
            print(requirement(_number_of_base(), os.environ.get("CUDA_VERSION", "")))
        else:
            print("# TENSORRT=none: no bindings")
    except BaseError as error:
        sys.exit(f"image: {error}")


if __name__ == "__main__":
    main()
