"""``python -m filterkit``, without the current folder, which Python puts first on ``sys.path``."""

import os
import sys

# Before anything else is imported (os and sys already are): a numpy.py or a plugin in the current folder may
# be untrusted. filterkit itself is already found, and its modules are looked up beside this one.
if __name__ == "__main__" and not sys.flags.safe_path:
    first = sys.path[0] or "."
    if os.path.isdir(first) and os.path.samefile(first, "."):  # noqa: PTH112, PTH121
        del sys.path[0]

from filterkit.cli import main

if __name__ == "__main__":
    main()
