"""What trackers show of a run: its settings, the figures of its summary, and pictures large enough to look at."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pets_seg.config.identity import made_of, settings_of
from pets_seg.config.weights import DIGEST, TEACHER_DIGEST
from pets_seg.run_folder.pictures import Picture

PICTURES = "val/pictures"
# The least side of a picture, in pixels.
SIDE = 128
TEST = "test_"


def run_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that made a run, of all that a command can be given, with its metrics and the seed."""
    settings = {**made_of(config), "metric": config.get("metric")}
    # The weights that it started from.
    settings |= {key: config.get(key) for key in ("checkpoint", DIGEST)} if config.get(DIGEST) else {}
    # The teacher's path is among the settings of training.
    settings |= {TEACHER_DIGEST: config.get(TEACHER_DIGEST)}
    return {key: _plain(_chosen(key, node)) for key, node in settings.items() if node not in (None, {})}


def _chosen(group: str, node: Any) -> Any:
    # What an option derives from its settings, its name and they say.
    return {key: node[key] for key in settings_of(group, node)} if isinstance(node, Mapping) else node


def _plain(node: Any) -> Any:
    # What an option is made of, its name says; parts in a list are named by their class or function.
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.items() if not str(key).startswith("_")}
    if isinstance(node, list):
        return [_named(item) if isinstance(item, Mapping) else _plain(item) for item in node]
    return node


def _named(part: Mapping[str, Any]) -> dict[str, Any]:
    name = {"name": str(part["_target_"]).rpartition(".")[2]} if "_target_" in part else {}
    return name | _plain(part)


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Return the settings of groups one by one, under the names that a command has for them."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def summary_figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a summary with the figures of the test images named as those of validation are: test/dice."""
    return {f"test/{key.removeprefix(TEST)}" if key.startswith(TEST) else key: v for key, v in summary.items()}


def enlarged(picture: Picture) -> Picture:
    """Return a picture of SIDE pixels or more, its sides multiplied; masks keep their pixels, images are smoothed."""
    from PIL import Image

    stem, image, mask, predicted = picture
    times = -(-SIDE // image.shape[-1])
    if times == 1:
        return picture
    large = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    large = large.resize((large.width * times, large.height * times), Image.Resampling.BICUBIC)
    mask, predicted = (content.repeat(times, axis=0).repeat(times, axis=1) for content in (mask, predicted))
    return stem, np.asarray(large).transpose(2, 0, 1), mask, predicted
