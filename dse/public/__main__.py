"""``python -m macwright``: the command line."""

import sys

from macwright.dse.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
