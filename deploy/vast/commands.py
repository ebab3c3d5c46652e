"""The commands that rent a GPU from Vast.ai for the image: `make vast IMAGE=me/clip-bakeoff:latest` prints them.

docs/vast.md explains them. `template.json` is what the second of them sends.
"""

import shlex
import sys
from dataclasses import dataclass

from server.settings import Settings

PORTS = tuple(field.default for name, field in Settings.model_fields.items() if name.endswith("_port"))
DISK_GB = 40
"""The image takes about 20 GB; the rest is for engines, results and whatever the layers need while they are unpacked."""

OFFERS = (
    "cpu_arch=amd64",
    "gpu_arch=nvidia",
    "num_gpus=1",
    "compute_cap>=750",  # Turing, the oldest that CUDA 13 runs on
    "gpu_ram>=10",
    "cpu_ram>=16",
    "cuda_vers>=13.0",  # with driver 580 the whole of CUDA 13, by minor version compatibility
    "driver_version>=580.0.0",
    f"disk_space>={DISK_GB}",
    "inet_down>=200",  # Mbit/s: a quarter of an hour for the image
    f"direct_port_count>={len(PORTS) + 2}",  # SSH and Jupyter take one each
    "reliability>0.98",
)
DESCRIPTION = "OpenCLIP ViT-B/32 embeddings served three ways, verified, measured"


class CommandsError(ValueError):
    """The image's name is none that Vast.ai could pull; the message says what is missing."""


@dataclass(frozen=True)
class Command:
    """One line for the shell. A word that starts with `$` is a variable that the reader has set."""

    purpose: str
    words: tuple[str, ...]
    output: str | None = None

    def __str__(self) -> str:
        line = " ".join(word if word.startswith("$") else shlex.quote(word) for word in self.words)
        return f"# {self.purpose}\n{line}{f' > {self.output}' if self.output else ''}\n"


def commands(image: str) -> tuple[Command, ...]:
    """Return what rents, watches, measures and gives back one GPU.

    Args:
        image: its name in a registry, with the account, such as `me/clip-bakeoff:latest`.

    Raises:
        CommandsError: there is no account in the name.
    """
    name, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
    if "/" not in name:
        raise CommandsError(
            f"{image} names no account of a registry, which is where Vast.ai pulls from; build, push and name one: "
            "make image push vast IMAGE=me/clip-bakeoff:latest"
        )
    offers, ports, disk = " ".join(OFFERS), " ".join(f"-p {port}:{port}" for port in PORTS), str(DISK_GB)
    create = ("vastai", "create", "instance", "$OFFER")
    launch = ("--image", f"{name}:{tag}", "--disk", disk, "--env", ports)
    injected = ("--direct", "--user", "root", "--onstart", "deploy/vast/onstart.sh")
    return (
        Command(
            "find machines, cheapest first; then OFFER=<its ID>",
            ("vastai", "search", "offers", offers, "--storage", disk, "--order", "dph"),
        ),
        Command(
            "once: keep it all as a template of yours; then TEMPLATE=<its hash_id>",
            (
                "vastai", "create", "template", "--name", "clip-bakeoff", "--desc", DESCRIPTION, "--image", name,
                "--image_tag", tag, "--env", ports, "--search_params", offers, "--disk_space", disk,
            ),
        ),
        Command(
            "rent one from the template; then INSTANCE=<its new_contract>",
            (*create, "--template_hash", "$TEMPLATE", "--disk", disk),
        ),
        Command("or without a template: the image's own entrypoint runs", (*create, *launch, "--args")),
        Command("or with SSH, which replaces the entrypoint", (*create, *launch, "--ssh", *injected)),
        Command("or with Jupyter, which does too", (*create, *launch, "--jupyter", *injected)),
        Command(
            "watch it come up, until this prints a line",
            ("vastai", "logs", "$INSTANCE", "--filter", "bakeoff: ready"),
        ),
        Command("where its ports are", ("vastai", "show", "instance", "$INSTANCE", "--raw"), "instance.json"),
        Command("measure it from here", ("bakeoff", "bench", "--vast", "instance.json")),
        Command("give it back: it costs until then, also when stopped", ("vastai", "destroy", "instance", "$INSTANCE")),
    )  # fmt: skip


def main() -> None:
    """Print the commands for the image named on the command line."""
    try:
        print("\n".join(map(str, commands(sys.argv[1]))), end="")
    except CommandsError as error:
        sys.exit(f"vast: {error}")


if __name__ == "__main__":
    main()
