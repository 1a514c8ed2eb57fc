"""`python -m svom.messaging.command`, where the script `svom-msg` is not on the path."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
