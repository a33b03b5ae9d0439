"""``python -m superpos``: the command line."""

import sys

from superpos.cli import main

sys.exit(main())
