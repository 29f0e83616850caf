"""The entry point: `python -m pets_seg.run`, or `pets_seg`."""

from pets_seg.command.loading import loading


def main() -> None:
    """Run the command line; end with exit code 0, 1 (failed while working) or 2 (could not start)."""
    with loading():
        from pets_seg.command.main import main as command_line
    command_line()


if __name__ == "__main__":
    main()
