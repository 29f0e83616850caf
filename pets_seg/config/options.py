"""The options of the groups as their files say: names, settings and the comments beside them; nothing is imported."""

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pets_seg.config.groups import GROUPS
from pets_seg.config.plain import plain
from pets_seg.config.schema import Root, rules

PACKAGE = "pets_seg.conf"
# What an option holds beside settings: its name, and what Hydra reads.
SPECIAL = ("name", "_target_", "_partial_", "_convert_", "_recursive_")
# A setting at the beginning of a line, its value, and the comment beside it.
LINE = re.compile(r"(\w+):(?: .*?)?(?: # (.*))?", re.ASCII)


@dataclass(frozen=True)
class Places:
    """Folders of option files, those first that come first in Hydra's search path; without any, the package's alone."""

    folders: tuple[Traversable, ...] = (resources.files(PACKAGE),)

    def options(self, group: str) -> list[str]:
        """Return the names of the options of a group."""
        files = [
            file.name for folder in self.folders if (folder / group).is_dir() for file in (folder / group).iterdir()
        ]
        return sorted({name.removesuffix(".yaml") for name in files if name.endswith(".yaml")})

    def text(self, file: str) -> str:
        """Return the text of the file `config` or `<group>/<option>`; "" if it cannot be read."""
        for folder in self.folders:
            with suppress(OSError, UnicodeDecodeError):
                return (folder / f"{file}.yaml").read_text(encoding="utf-8")
        return ""

    def described(self, file: str) -> dict[str, str]:
        """Return the settings that a file has at its top, each with the comment beside it."""
        matches = [LINE.fullmatch(line) for line in self.text(file).splitlines()]
        return {match[1]: (match[2] or "").strip() for match in matches if match}


OWN = Places()


def places_of(cfg: DictConfig) -> Places:
    """Return the folders of which Hydra composed a configuration."""
    folders: list[Traversable] = []
    for source in cfg.hydra.runtime.config_sources:
        if source.schema == "file":
            folders.append(Path(source.path))
        elif source.schema == "pkg":
            with suppress(ModuleNotFoundError):
                folders.append(resources.files(source.path.replace("/", ".")))
    return Places(tuple(folders))


@cache
def own_option(group: str, name: str) -> dict[str, Any]:
    """Return what the package's own option holds, references unresolved; nothing if there is none of this name."""
    if name not in OWN.options(group):
        return {}
    content = dict(own_file(f"{group}/{name}"))
    shared = [entry[1:].partition("@")[0] for entry in content.pop("defaults", []) if entry.endswith("@_here_")]
    for file in shared:
        if not file.startswith("schema/"):
            content |= own_file(file)
    return content


@cache
def own_file(file: str) -> dict[str, Any]:
    """Return what the package's own file `config` or `<group>/<option>` holds, references unresolved."""
    return plain(OmegaConf.create(OWN.text(file)), resolve=False)


def known_settings(places: Places = OWN) -> dict[str, dict[str, str]]:
    """Return every setting by its dotted key, with the options that have it and each one's comment; "" is no option."""
    top = places.described("config")
    settings = {key: {"": text} for key, text in top.items() if key in rules(Root) and key not in GROUPS}
    for group, about in GROUPS.items():
        if about.several or (about.schema is None and about.passed is None):
            continue
        for option in places.options(group):
            for key, text in places.described(f"{group}/{option}").items():
                if key not in (*SPECIAL, "defaults"):
                    settings.setdefault(f"{group}.{key}", {})[option] = text
    return settings
