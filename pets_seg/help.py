"""What `--help` shows: the groups with their options, and every setting with one line."""

from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import DictConfig, OmegaConf

from pets_seg.config import SCHEMAS, register_resolver, settings

GROUPS = {
    "model": "the network",
    "aug": "augmentation of training images and masks, together",
    "optimizer": "how weights are updated",
    "scheduler": "how the learning rate moves over a run",
    "loss": "what training minimises",
    "data": "where images and trimaps come from",
    "train": "epochs, batch size, precision, device",
    "tracker": "a copy of the figures for W&B",
    "report": "how runs are compared",
    "task": "what the command does",
    "experiment": "a whole study in one file",
}

EXAMPLES = """\
pets_seg: segment pets, and find out which network, augmentation or optimizer helps.

  python -m pets_seg.run model=unet aug=elastic                  one run
  python -m pets_seg.run -m aug=none,elastic seed=0,1,2          a sweep: six runs
  python -m pets_seg.run experiment=quickstart                   a small study, minutes on a laptop
  python -m pets_seg.run task=preview aug=elastic                a picture of what an augmentation does
  python -m pets_seg.run task=report runs=runs/NAME              compare the runs of a sweep again
  python -m pets_seg.run task=evaluate checkpoint=runs/NAME/RUN  test a run again"""


def register_help() -> None:
    """Tell OmegaConf the resolver that conf/config.yaml uses for the help."""
    register_resolver("help_text", lambda *, _root_: help_text(_root_))


def options(group: str) -> list[str]:
    """Return the options of a group, those of a user's own search path included."""
    return GlobalHydra.instance().config_loader().get_group_options(group, results_filter=ObjectType.CONFIG)


def help_text(cfg: DictConfig) -> str:
    """Return the help for a composed configuration; the values shown are those that it holds."""
    lines = [EXAMPLES, "", "Groups (group=option; with -m several, separated by commas; * is chosen now)"]
    chosen = OmegaConf.to_container(cfg.hydra.runtime.choices)
    for group, text in GROUPS.items():
        names = "  ".join(name + "*" * (name == chosen.get(group)) for name in options(group))
        lines.append(f"  {group:<11}{names}\n{'':13}{text}")
    lines += ["", "Settings (key=value)"]
    for key, item in settings().items():
        value = OmegaConf.select(cfg, key, throw_on_missing=False)
        present = OmegaConf.select(cfg, key.rpartition(".")[0] or key, default=None)
        shown = key if not _has(present, key) else f"{key}={_plain(value)}"
        choices = f" ({', '.join(item['choices'])})" if item["choices"] else ""
        lines.append(f"  {shown:<34}{item['help']}{choices}{_owners(key)}")
    lines += ["", "--cfg job prints the configuration without running it; --hydra-help lists Hydra's own flags."]
    return "\n".join(lines)


def _has(node: object, key: str) -> bool:
    name = key.rpartition(".")[2]
    return not isinstance(node, DictConfig) or name in node or OmegaConf.is_missing(node, name)


def _plain(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace(" ", "")


def _owners(key: str) -> str:
    group, _, name = key.rpartition(".")
    variants = SCHEMAS[group]
    owners = [option for option, schema in variants.items() if name in schema.__dataclass_fields__]
    return f" [{group}={owners[0]}]" if group == "model" and len(owners) < len(variants) else ""
