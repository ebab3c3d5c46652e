"""Replace the CUDA libraries of torch's wheels by links to the base image's own, where those can stand in for them.

    shared_cuda.py SITE_PACKAGES

torch brings cuBLAS, cuDNN and more as wheels (3 GB), and NVIDIA's Triton image has most of them already. All libraries
of a wheel are replaced or none (cuDNN's parts must be of one version), and only when each is there under the same soname
and not older: within a soname, NVIDIA's libraries run programs that were built for an older one (CUDA Compatibility
guide, "minor version compatibility"). What was decided is printed. Standard library only.
"""

import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

VERSION = re.compile(r"\.so((?:\.\d+)*)$")
CACHED = re.compile(r"\s*(\S+) \(.*x86-64.*\) => (\S+)")


def main(site_packages: Path) -> None:
    """Replace what can be replaced."""
    system = parse_cache(subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout)
    saved = 0
    for wheel in sorted(distributions(path=[str(site_packages)]), key=lambda each: str(each.metadata["Name"])):
        name = str(wheel.metadata["Name"])
        libraries = [Path(str(each.locate())) for each in wheel.files or () if VERSION.search(each.name)]
        if not name.startswith("nvidia-") or not libraries:
            continue
        substitutes = {library: system.get(library.name) for library in libraries}
        problem = objection(wheel.version, substitutes)
        if problem:
            print(f"kept      {name} {wheel.version}: {problem}")
            continue
        for library, substitute in substitutes.items():
            assert substitute is not None
            saved += library.stat().st_size
            library.unlink()
            library.symlink_to(substitute)
        print(f"replaced  {name} {wheel.version} by {', '.join(sorted(map(str, substitutes.values())))}")
    print(f"saved {saved / 1e6:.0f} MB")


def parse_cache(listing: str) -> dict[str, Path]:
    """Return the 64-bit libraries that the loader finds, by soname, from what `ldconfig -p` prints."""
    found: dict[str, Path] = {}
    for line in listing.splitlines():
        match = CACHED.match(line)
        if match:
            found.setdefault(match[1], Path(match[2]))
    return found


def objection(version: str, substitutes: dict[Path, Path | None]) -> str | None:
    """Return why a wheel's libraries cannot be replaced, or None.

    Args:
        version: the wheel's.
        substitutes: by the wheel's library, the base's of the same soname, or None.
    """
    for library, substitute in substitutes.items():
        if substitute is None:
            return f"the base has no {library.name}"
        file = substitute.resolve()
        ours, theirs = numbers(version), numbers(VERSION.findall(file.name)[0] if VERSION.search(file.name) else "")
        if len(theirs) < 2:
            return f"the version of {file} cannot be told"
        length = min(len(ours), len(theirs))
        if theirs[:length] < ours[:length]:
            return f"the base's {file.name} is older"
    return None


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers: `.9.26.0` gives (9, 26, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
