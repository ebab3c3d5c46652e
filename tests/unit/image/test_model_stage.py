"""The Dockerfile's stage that exports the model copies what the export imports, and no more than it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def copies() -> list[tuple[list[str], str]]:
    """Return sources and destination of each COPY of the model stage."""
    stage = (ROOT / "Dockerfile.step6a-all").read_text().partition(" AS model\n")[2].partition("\nFROM ")[0]
    lines = re.findall(r"^COPY (.+)$", stage.replace("\\\n", " "), re.MULTILINE)
    return [(words[:-1], words[-1]) for words in map(str.split, lines)]


def test_the_export_finds_its_imports(tmp_path: Path) -> None:
    found = copies()
    assert len(found) > 3
    for sources, destination in found:
        for source in sources:
            target = tmp_path / destination / Path(source).name if destination.endswith("/") else tmp_path / destination
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, target)
    environment = {**os.environ, "PRETRAINED": "nothing.pt", "BAKEOFF_HOME": str(tmp_path / "model"), "DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, "-m", "image.export"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "nothing.pt': no such file" in done.stderr  # it has imported all that it uses by then
