"""Start: the command, and `python -m create_12_factor_agent`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still loading is no error either."""
    try:
        from .program import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
