"""A double of `server.preflight.gpu_probe` for a machine without a GPU: at the step that BREAKS names it does what HOW says."""

import os
import sys
import time


def main() -> None:
    for step in sys.argv[2:]:
        print(step, flush=True)
        if step == os.environ["BREAKS"]:
            how = os.environ["HOW"]
            if how == "crash":
                os.abort()
            if how == "hang":
                time.sleep(60)
            sys.exit(how)


if __name__ == "__main__":
    main()
