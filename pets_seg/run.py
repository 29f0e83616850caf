"""The entry point: `python -m pets_seg.run`, or `pets_seg`."""

import sys

from pets_seg.command.loading import loading

# Flags with which a command works, and does not just show something.
WORKING = ("-m", "--multirun", "-r", "--run")


def main() -> None:
    """Run the command line; end with exit code 0, 1 (failed while working) or 2 (could not start)."""
    works = all(word in WORKING or not word.startswith("-") for word in sys.argv[1:])
    with loading("starting" if works else ""):
        from pets_seg.command.main import main as command_line
    command_line()


if __name__ == "__main__":
    main()
