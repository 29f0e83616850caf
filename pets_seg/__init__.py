"""Ablation studies of binary pet segmentation.

From a notebook or a script: `run_config(compose("model=unet", "aug=elastic"))`; see `pets_seg.command.script`.
`load_model("runs/NAME/RUN")(photo)` segments a photograph, or raises `BadFileError`. `Range` stands in the type hints
of parts of one's own, e.g. `width: Annotated[int, Range(1, 256)]`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pets_seg.command.script import compose, run_config
    from pets_seg.config.rules import Range
    from pets_seg.data.levels import BadFileError
    from pets_seg.evaluation.predictor import load_model

__all__ = ["BadFileError", "Range", "compose", "load_model", "run_config"]


def __getattr__(name: str) -> Any:
    # Hydra is imported by who asks for them, PyTorch once a run begins.
    if name == "Range":
        from pets_seg.config.rules import Range

        return Range
    if name == "BadFileError":
        from pets_seg.data.levels import BadFileError

        return BadFileError
    if name == "load_model":
        from pets_seg.evaluation.predictor import load_model

        return load_model
    if name in __all__:
        from pets_seg.command import script

        return getattr(script, name)
    raise AttributeError(f"module 'pets_seg' has no attribute {name!r}")
