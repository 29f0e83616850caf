"""The two ways in which a command can end badly."""


class InputError(Exception):
    """What was asked for cannot be done, and that is known before work starts (exit code 2)."""


class RunError(Exception):
    """A run failed while it was working (exit code 1)."""
