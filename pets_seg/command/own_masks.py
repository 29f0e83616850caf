"""One line on how the masks of a user's own are read, with the command that shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pets_seg.command.arguments import flags, key_of, typed
from pets_seg.command.reads import reads
from pets_seg.data import Index
from pets_seg.machine.terminal import python, shell
from pets_seg.machine.world import this_world

# A sweep prepares many jobs on the same data.
_told: set[str] = set()


def tell_of_masks(index: Index, data: Mapping[str, Any], words: Sequence[str], look: bool = True) -> None:
    """Print how masks are read where what they hold decides it, once; `words` are those of the command line."""
    line = index.masks(data["boundary"])
    if not line or line in _told or not this_world().first:
        return
    _told.add(line)
    # What a data option of one's own is found by.
    kept = [word for word in typed if word.startswith("hydra.searchpath=")]
    kept += [f"--config-dir={own}"] if (own := flags(typed).config_dir) else []
    keys = {word: key_of(word) for word in words}
    kept += [word for word, key in keys.items() if key.partition(".")[0] == "data" and reads("preview", key)]
    command = f"{python()} -m pets_seg.run {shell(['task=preview', *kept])}"
    print(f"masks: {line}" + (f"; look: {command}" if look else ""), flush=True)
