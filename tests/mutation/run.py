"""`python -m tests.mutation.run [MODULE or MUTANT]`: how many wrong lines the tests notice, and which they should but do not.

MODULE is a path such as `server/keys.py`, MUTANT a name such as `server.keys.x_opens__mutmut_3`. Without either everything is mutated
from scratch, and the table in docs/testing.md is written.
"""

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant

from tests.mutation.survivors import SURVIVED, change, problems, read_equivalent, read_results, table

FOLDER = Path("mutants")
EQUIVALENT = Path("tests/mutation/equivalent.toml")
DOCUMENT = Path("docs/testing.md")
TABLE = re.compile(r"(?<=<!-- make mutants -->\n).*?(?=<!-- end -->)", re.DOTALL)


def main(chosen: str | None) -> int:
    """Run mutmut, print the table and what is wrong, and return the exit status: 1 when something is."""
    if chosen is None and FOLDER.exists():
        shutil.rmtree(FOLDER)
    pattern = "*" if chosen is None else _pattern(chosen)
    ran = subprocess.run([sys.executable, "-m", "tests.mutation.decorated", "run", *([pattern] if chosen else [])])
    if ran.returncode:
        return ran.returncode
    return report(None if chosen is None else pattern)


def report(pattern: str | None) -> int:
    """Print the results of the mutants that `pattern` chooses; None: of all, and write the document."""
    everything = read_results(FOLDER)
    results = {
        module: chosen
        for module, mutants in everything.items()
        if (chosen := [each for each in mutants if fnmatchcase(each.name, pattern or "*")])
    }
    survivors = [
        change(each.name, diff)
        for module, mutants in results.items()
        for each in mutants
        if each.status in SURVIVED
        for diff in [get_diff_for_mutant(each.name, path=module)]
    ]
    lines = table(results)
    print(*lines, sep="\n")
    if pattern is None:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(TABLE.sub("\n".join([*lines, ""]), text), encoding="utf-8")
    wrong = problems(results, survivors, read_equivalent(EQUIVALENT), whole=pattern is None)
    print(*wrong, sep="\n")
    return bool(wrong)


def _pattern(chosen: str) -> str:
    if "__mutmut_" in chosen:
        return chosen
    return chosen.removesuffix(".py").replace("/", ".") + ".*"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
