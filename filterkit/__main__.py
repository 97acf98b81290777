"""``python -m filterkit``, without the current folder, which Python puts first on ``sys.path``."""

import os
import sys

# Before anything else is imported (Python has these two already): a numpy.py there, or a plugin, may be
# anybody's. filterkit itself is found, and its modules are looked for beside this one.
if __name__ == "__main__" and not sys.flags.safe_path:
    first = sys.path[0] or "."
    if os.path.isdir(first) and os.path.samefile(first, "."):  # noqa: PTH112, PTH121
        del sys.path[0]

from filterkit.cli import main

if __name__ == "__main__":
    main()
