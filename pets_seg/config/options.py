"""The options of the groups as their files say: names, settings and the comments beside them; nothing is imported."""

import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import OmegaConf

from pets_seg.config.groups import GROUPS
from pets_seg.config.schema import Root, rules

PACKAGE = "pets_seg.conf"
# What an option holds beside settings: its name, and what Hydra reads.
SPECIAL = ("name", "_target_", "_partial_", "_convert_", "_recursive_")
# A setting at the beginning of a line, its value, and the comment beside it.
LINE = re.compile(r"(\w+):(?: .*?)?(?: # (.*))?", re.ASCII)


@cache
def own_options(group: str) -> tuple[str, ...]:
    """Return the names of the package's own options of a group."""
    folder = resources.files(PACKAGE) / group
    return tuple(sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")))


@cache
def own_option(group: str, name: str) -> dict[str, Any]:
    """Return what the package's own option holds, references unresolved; nothing if there is none of this name."""
    if name not in own_options(group):
        return {}
    content = _content(f"{group}/{name}")
    shared = [entry[1:].partition("@")[0] for entry in content.pop("defaults", []) if entry.endswith("@_here_")]
    for file in shared:
        if not file.startswith("schema/"):
            content |= _content(file)
    return content


def _content(file: str) -> dict[str, Any]:
    text = (resources.files(PACKAGE) / f"{file}.yaml").read_text(encoding="utf-8")
    return OmegaConf.to_container(OmegaConf.create(text), resolve=False)


def options(group: str) -> list[str]:
    """Return the options of a group, those of a user's own search path included while Hydra composes."""
    if not GlobalHydra.instance().is_initialized():
        return [*own_options(group)]
    return GlobalHydra.instance().config_loader().get_group_options(group, results_filter=ObjectType.CONFIG)


def known_settings() -> dict[str, dict[str, str]]:
    """Return every setting by its dotted key, with the options that have it and each one's comment; "" is no option."""
    found = {key: {"": text} for key, text in described("config").items() if key in rules(Root) and key not in GROUPS}
    for group, about in GROUPS.items():
        if group == "metric" or (about.schema is None and about.passed is None):
            continue
        for option in options(group):
            for key, text in described(f"{group}/{option}").items():
                if key not in (*SPECIAL, "defaults"):
                    found.setdefault(f"{group}.{key}", {})[option] = text
    return found


def described(file: str) -> dict[str, str]:
    """Return the settings that a file of conf/, `config` or `<group>/<option>`, has, each with its comment."""
    matches = [LINE.fullmatch(line) for line in _text(file).splitlines()]
    return {match[1]: (match[2] or "").strip() for match in matches if match}


def _text(file: str) -> str:
    """Return the text of a file of conf/, or of the same place in a user's own folder; "" if it cannot be read."""
    places = [("pkg", PACKAGE)]
    if GlobalHydra.instance().is_initialized():
        sources = GlobalHydra.instance().config_loader().get_sources()
        places = [(source.scheme(), source.path) for source in sources]
    for scheme, path in places:
        if scheme not in ("pkg", "file"):
            continue
        try:
            folder = resources.files(path.replace("/", ".")) if scheme == "pkg" else Path(path)
            return (folder / f"{file}.yaml").read_text(encoding="utf-8")
        except (OSError, ModuleNotFoundError, UnicodeDecodeError):
            continue
    return ""
