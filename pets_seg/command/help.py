"""What `--help` shows: the groups with their options, and every setting with one line."""

import textwrap

from omegaconf import DictConfig, OmegaConf

from pets_seg.config.groups import GROUPS
from pets_seg.config.options import known_settings, places_of
from pets_seg.config.plain import plain
from pets_seg.config.register import register_resolver
from pets_seg.config.rules import shown
from pets_seg.machine import terminal

HEAD = "pets_seg: segment pets, and find out which network, augmentation or optimizer helps."
EXAMPLES = {
    "model=unet aug=elastic": "one run",
    "-m aug=none,elastic seed=0,1,2": "a sweep: six runs",
    "experiment=quickstart": "a small study: minutes",
    "task=preview aug=elastic": "a picture of an augmentation",
    "task=report runs=runs/NAME": "compare the runs of a sweep",
    "task=evaluate checkpoint=runs/NAME/RUN": "score a run again",
    "task=predict input=PHOTOS output=FOLDER": "segment photographs",
    "task=export checkpoint=RUN": "one ONNX file for other programs",
    "task=demo serve=true": "a page to try it in a browser",
    "replay=runs/NAME/RUN": "train a run again",
}
GROUPS_HEAD = (
    "Groups: group=option chooses an option, and with -m group=option,option several. * marks the one chosen now."
)
SETTINGS_HEAD = (
    "Settings: key=value sets one, and with -m key=value,value several. Shown is the value that it has now; a setting "
    "without one belongs to an option that is not chosen."
)
FOOT = (
    "pets_seg is the same as python -m pets_seg.run. --cfg job prints the configuration without running it; "
    "--hydra-help lists Hydra's own flags. For completion by the tab key in bash:"
)
COMPLETION = 'eval "$(pets_seg -sc install=bash)"'
# In columns; a line that is longer than a reader's eye follows is no help on a wide terminal.
NARROWEST, WIDEST = 64, 120


def register_help() -> None:
    """Tell OmegaConf the resolver that conf/config.yaml uses for the help."""
    register_resolver("help_text", lambda *, _root_: help_text(_root_))


def help_text(cfg: DictConfig) -> str:
    """Return the help for a composed configuration, no wider than the terminal; it shows the values that it holds."""
    columns = max(NARROWEST, min(terminal.width(), WIDEST))
    places = places_of(cfg)
    chosen = plain(cfg.hydra.runtime.choices)
    groups = []
    for group, about in GROUPS.items():
        names = "  ".join(name + "*" * (name == chosen.get(group)) for name in places.options(group))
        groups += [(group, about.text), ("", names)]
    settings = [
        (_with_value(cfg, key), _explained(chosen, key, owners))
        for key, owners in known_settings(places).items()
        if any(owners.values())
    ]
    parts = [
        _wrapped(HEAD, columns),
        _table([(f"pets_seg {words}", text) for words, text in EXAMPLES.items()], columns, 51),
        _wrapped(GROUPS_HEAD, columns),
        _table(groups, columns, 14),
        _wrapped(SETTINGS_HEAD, columns),
        _table(settings, columns, columns * 2 // 5),
        _wrapped(FOOT, columns),
        f"  {COMPLETION}",
    ]
    # Hydra replaces $names in it.
    return "\n\n".join(parts).replace("$", "$$")


def _wrapped(text: str, columns: int, first: str = "", indent: str = "") -> str:
    """Return `text` in lines of at most `columns` signs; `first` is before it, `indent` before its other lines."""
    wrapper = textwrap.TextWrapper(columns, first, indent, break_on_hyphens=False, break_long_words=False)
    return wrapper.fill(text)


def _table(rows: list[tuple[str, str]], columns: int, column: int) -> str:
    """Return rows of two, the second wrapped from `column` on; where the first is too long for that, below it."""
    lines = []
    for left, right in rows:
        start = f"  {left}"
        if len(start) > column - 2:
            lines.append(start)
            start = ""
        lines.append(_wrapped(right, columns, start.ljust(column), " " * column))
    return "\n".join(lines)


def _with_value(cfg: DictConfig, key: str) -> str:
    """Return key=value for a setting that the configuration has, the key alone for any other."""
    group, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, group, default=None) if group else cfg
    if isinstance(node, DictConfig) and name not in node and not OmegaConf.is_missing(node, name):
        return key
    return f"{key}={shown(OmegaConf.select(cfg, key, throw_on_missing=False)).replace(' ', '')}"


def _explained(chosen: dict[str, str], key: str, owners: dict[str, str]) -> str:
    """Return the comment beside a setting; if the chosen option lacks it, each comment and the options that have it."""
    option, known = chosen.get(key.rpartition(".")[0], ""), next(filter(None, owners.values()), "")
    if option in owners:
        return owners[option] or known
    options: dict[str, list[str]] = {}
    for name, text in owners.items():
        options.setdefault(text or known, []).append(name)
    return "; ".join(f"{text} [{', '.join(names)}]" for text, names in options.items())
