"""The settings that the package itself reads, typed; the arguments of parts have their rules in their signatures."""

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from omegaconf import MISSING

from pets_seg.config.rules import Range

# In masks: a pixel that is not counted.
IGNORED = 255
# The settings of the package that are paths.
PATHS = (
    *("data.root", "data.cache_dir", "train.teacher", "demo.beside"),
    *("checkpoint", "input", "output", "runs", "replay"),
)
# More is a mistake.
COUNT = Range(1, 1_000_000)
SEED = Range(0, 2**31 - 1)


def setting(limit: Any, default: Any = MISSING) -> Any:
    """Declare a setting: a Range of numbers, or the Literal of its words, beside its type.

    One with a `default` may be absent from a file.
    """
    return field(default=default, metadata={"limit": limit})


@dataclass
class Root:
    seed: int = setting(SEED)
    name: str = MISSING
    existing: str = setting(Literal["continue", "restart"])
    dry_run: bool = MISSING
    checkpoint: str | None = MISSING
    split: str | None = setting(Literal["test", "valid", "all", None])
    allow_trained: bool = MISSING
    input: str | None = MISSING
    output: str | None = MISSING
    overwrite: bool = MISSING
    format: str = setting(Literal["onnx"])
    serve: bool = MISSING
    runs: Any = MISSING
    replay: str | None = MISSING
    closing: str | None = MISSING
    model: Any = MISSING
    aug: Any = MISSING
    optimizer: Any = MISSING
    scheduler: Any = MISSING
    loss: Any = MISSING
    metric: dict[str, Any] = field(default_factory=dict)
    data: Any = MISSING
    train: Any = MISSING
    tracker: Any = MISSING
    report: Any = MISSING
    predict: Any = MISSING
    export: Any = MISSING
    demo: Any = MISSING
    task: Any = MISSING


@dataclass
class Aug:
    name: str = MISSING
    operations: list[Any] = MISSING
    keep_original: bool = False


@dataclass
class Optimizer:
    """What holds for arguments of these names, whichever class takes them."""

    lr: float = setting(Range(0))
    weight_decay: float = setting(Range(0))
    betas: list[Annotated[float, Range(0, 1)]] = MISSING
    momentum: float = setting(Range(0, 0.9999))


@dataclass
class Data:
    """What is done with the images of any source."""

    size: int = setting(Range(32, 4096))
    boundary: str = setting(Literal["foreground", "background", "ignore"])
    normalisation: str = setting(Literal["imagenet", "raw"])
    train_fraction: float = setting(Range(0, 1, above=True), default=1.0)
    skip_bad: bool = MISSING
    cache_dir: str | None = MISSING


@dataclass
class Train:
    name: str = MISSING
    epochs: int = setting(COUNT)
    batch_size: int = setting(COUNT)
    precision: str = setting(Literal["auto", "fp32", "bf16", "fp16"])
    compile: bool = MISSING
    accumulate: int = setting(COUNT)
    checkpoint_activations: bool = MISSING
    ema: float = setting(Range(0, 0.99999))
    deterministic: bool = MISSING
    teacher: str | None = MISSING
    teacher_weight: float = setting(Range(0, 1))
    teacher_temperature: float = setting(Range(0.1, 100))
    save_every_steps: int = setting(Range(0, 1_000_000))
    keep_state: bool = MISSING
    device: str = MISSING


@dataclass
class Report:
    name: str = MISSING
    baseline: Any = MISSING
    reference: bool = MISSING
    wandb: bool = MISSING


@dataclass
class Predict:
    name: str = MISSING
    flip: bool = MISSING


@dataclass
class Export:
    name: str = MISSING
    int8: bool = MISSING


@dataclass
class Demo:
    name: str = MISSING
    beside: str | None = MISSING


def rules(schema: type | None) -> dict[str, Any]:
    """Return the settings of a schema, each with the annotation that is its rule; none without a schema."""
    if schema is None:
        return {}
    return {item.name: _rule(item.type, item.metadata.get("limit")) for item in fields(schema)}


def optional(schema: type | None) -> set[str]:
    """Return the settings that the file of an option may lack, since they have a default."""
    return {key for key in rules(schema) if getattr(schema, key, MISSING) != MISSING}


def _rule(kind: Any, limit: Any) -> Any:
    return kind if limit is None else Annotated[kind, limit] if isinstance(limit, Range) else limit
