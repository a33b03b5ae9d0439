"""``python -m superpos``: the command line."""

import sys

from superpos.cli import main

if __name__ == "__main__":
    sys.exit(main())
