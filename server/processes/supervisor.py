"""`python -m server.processes.supervisor`: the real supervisord, told what the settings say, with a truthful exit status.

supervisord leaves with 0 also when a program was given up; container launchers need to see a failure there.
"""

import contextlib
import os
import secrets
import sys
from pathlib import Path

from filelock import FileLock, Timeout
from supervisor import supervisord

from server import descriptors
from server.home import ROOT
from server.kept import served_at_start
from server.keys import ADMIN_VARIABLE, STACK_KEY_VARIABLE, TRITON_KEY_VARIABLE
from server.processes import segments
from server.setting_types import BACKEND_NAMES
from server.settings import Settings, SettingsError, load_settings
from server.sockets import CONSOLE, SUPERVISORD, listen, remove_folder, socket_path
from server.state import GIVEN_UP, STACK_LOCK, SUPERVISORD_PID, clear
from server.stop import stop_plan

CONFIGURATION = ROOT / "supervisord.conf"


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that `supervisord.conf` and the programs under it read."""
    plan = stop_plan(settings.stop_timeout)
    wanted = served_at_start(settings).backends
    starts = {f"BAKEOFF_START_{name.upper()}": str(name in wanted).lower() for name in BACKEND_NAMES}
    starts["BAKEOFF_START_GATEWAY"] = str("pytorch" not in wanted).lower()
    return {
        "BAKEOFF_HOME": str(settings.bakeoff_home),
        "BAKEOFF_RUN": str(settings.home.state),
        "BAKEOFF_CONTROL": str(socket_path(settings.bakeoff_home, SUPERVISORD)),
        "PATH": os.pathsep.join(filter(None, [str(Path(sys.executable).parent), os.environ.get("PATH")])),
        "BAKEOFF_DRAIN_WAIT": str(plan.gate_wait_s),
        "BAKEOFF_STOP_WAIT": str(plan.program_wait_s),
        "LOG_FORMAT": settings.log_format,
        "LOG_LEVEL": settings.log_level,
        **_without_proxy(settings),
        **starts,
    }


def _without_proxy(settings: Settings) -> dict[str, str]:
    """Return `no_proxy` with what the programs reach on this machine, such as each other or a collector of traces."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    own = [*filter(None, given.split(",")), "localhost", "127.0.0.1", "::1", settings.host]
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(dict.fromkeys(own)))


def main() -> None:
    """Run supervisord until it is stopped; the exit status is 1 when a program was given up."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"bakeoff: failed: {error}")
    home = settings.bakeoff_home
    settings.home.state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(STACK_LOCK.at(home))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        sys.exit(
            f"bakeoff: failed: a stack already runs in {home}; stop it with `bakeoff down`, "
            "or start this one with another BAKEOFF_HOME and other ports"
        )
    clear(home)
    for folder in (settings.home.state, settings.home.log, settings.home.results):
        with contextlib.suppress(OSError):
            folder.chmod(0o700)  # what an earlier version made is open to everybody
    segments.remove_all(settings)  # of a stack that was killed
    try:
        listen(socket_path(home, CONSOLE)).close()  # where none can be, each program would find that by itself
        os.environ.update(environment(settings))
    except OSError as error:
        sys.exit(f"bakeoff: failed: {error}")
    control = Path(os.environ["BAKEOFF_CONTROL"])
    control.unlink(missing_ok=True)  # of a stack that was killed, of which supervisord would warn
    os.environ[ADMIN_VARIABLE] = secrets.token_urlsafe(32)
    if settings.keys:
        os.environ[STACK_KEY_VARIABLE] = secrets.token_urlsafe(32)
        os.environ[TRITON_KEY_VARIABLE] = settings.keys[0]
    as_root = ["--user", "root"] if os.getuid() == 0 else []  # said, so that supervisord does not warn of it
    os.chdir(ROOT)
    descriptors.raise_limit()
    try:
        supervisord.main(["--configuration", str(CONFIGURATION), "--pidfile", str(SUPERVISORD_PID.at(home)), *as_root])
    finally:
        segments.remove_all(settings)
        remove_folder(home)
    if GIVEN_UP.at(home).exists():
        sys.exit(1)


if __name__ == "__main__":
    main()
