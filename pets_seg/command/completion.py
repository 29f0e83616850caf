"""Completion by the tab key for `python -m pets_seg.run`; Hydra's own serves `pets_seg` and scripts of one file."""

import sys
from collections.abc import Sequence

# Bash cuts words at = too, unless it is told not to. Another module, or a script, is completed by names of files.
BASH = r"""
_pets_seg_module() {
    [[ $COMP_LINE =~ ^[^\ ]+\ +-m\ +pets_seg\.run\ +(.*)$ ]] || return
    local words=$(COMP_LINE="pets_seg ${BASH_REMATCH[1]}" "$1" -m pets_seg.run -sc query=bash)
    COMPREPLY=($(compgen -W "$words" -- "$2"))
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _pets_seg_module python python3
"""


def asks_what_follows(arguments: Sequence[str]) -> bool:
    """Return whether a shell asks what a command that is being written may go on with."""
    return _completes(arguments) and any(word.startswith("query=") for word in arguments)


def module_script(arguments: Sequence[str]) -> str:
    """Return what bash must run to complete `python -m pets_seg.run`, if that is what was asked; or nothing."""
    as_module = sys.argv[0].endswith(".py")
    return BASH if as_module and _completes(arguments) and "install=bash" in arguments else ""


def _completes(arguments: Sequence[str]) -> bool:
    return any(word in ("-sc", "--shell-completion") for word in arguments)
