"""The folder of a run: it appears complete, and its files are replaced in one step each."""

import os
import tempfile
from pathlib import Path

from bench.errors import BenchError
from bench.result import FILE, Result


class RunFolder:
    """Where a run keeps its result."""

    def __init__(self, results: Path, started: str, existing: Path | None = None) -> None:
        """Name a folder under `results` by the run's start; nothing is written yet. `existing` is that of a resumed run."""
        self._results = results
        self._name = started.replace(":", "-")
        self._path = existing

    @property
    def path(self) -> Path:
        """The folder.

        Raises:
            BenchError: nothing has been kept.
        """
        if self._path is None:
            raise BenchError("nothing has been kept yet")
        return self._path

    def keep(self, result: Result) -> None:
        """Write `result.json`.

        Raises:
            BenchError: it cannot be written.
        """
        self._write(FILE, result.model_dump_json(indent=1) + "\n")

    def report(self, result: Result) -> None:
        """Write the report beside it.

        Raises:
            BenchError: it cannot be written.
        """
        from bench.report.files import write  # matplotlib, which nobody needs while it is measured

        write(result, self.path)

    def _write(self, name: str, text: str) -> None:
        try:
            if self._path is None:
                self._path = self._make(name, text)
                return
            temporary = self._path / f".{name}.{os.getpid()}"
            _write_through(temporary, text)
            temporary.replace(self._path / name)
        except OSError as error:
            place = self._path or self._results
            raise BenchError(f"the result cannot be written to {place} ({error}); give another folder") from error

    def _make(self, name: str, text: str) -> Path:
        self._results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._results, prefix=".run-", ignore_cleanup_errors=True) as temporary:
            made = Path(temporary) / "run"
            made.mkdir()
            _write_through(made / name, text)
            for number in range(1, 1000):
                folder = self._results / (self._name if number == 1 else f"{self._name}-{number}")
                if not folder.exists():
                    return made.rename(folder)
        raise BenchError(f"{self._results} holds too many runs named {self._name}; give another folder")


def _write_through(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
