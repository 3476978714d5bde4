"""`python -m cai_app`: hands over to the commands."""

import sys

from cai_app.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
