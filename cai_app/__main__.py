"""`python -m cai_app`: hands over to the commands."""

import sys


def _run() -> int:
    """The commands' exit code; 130 for a Ctrl-C, at its very start as well."""
    try:
        from cai_app.commands import main

        return main(sys.argv[1:])
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(_run())
