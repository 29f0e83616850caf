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


def completes(arguments: Sequence[str], what: str) -> bool:
    """Return whether a shell asks for `what`: "query=" how a command may go on, "install=bash" what to run for that."""
    asked = any(word in ("-sc", "--shell-completion") for word in arguments)
    return asked and any(word.startswith(what) for word in arguments)


def module_script(arguments: Sequence[str]) -> str:
    """Return what bash must run to complete `python -m pets_seg.run`, if that is what was asked; or nothing."""
    return BASH if sys.argv[0].endswith(".py") and completes(arguments, "install=bash") else ""
