"""How long the studies of experiments/ take at full size on one GPU: 256 px and width 64, batch 16, bf16.

    python experiments/gpu/full_size.py
    python experiments/gpu/full_size.py --pace 980

The hours are those of training, validation and test, at the images a second that `reckoning.py` reckons for the
network on an H100. `--pace` is the measured pace of UNet of width 64 at 256 px; other networks then keep their
reckoned ratio to it. An image that is only scored counts as a third of one that is trained on, since it needs no
backward pass. A sweep that decides is taken to need ten seeds a group.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from reckoning import add_assumptions, card_of, reckon

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from timing import Rows, table

TRAINING, VALIDATION, TEST = 3312, 368, 3669
SCORED = 1 / 3
DECIDING = 10
# Network, width, side in pixels, batch size.
UNET = "unet 64 256 16"
RESNET34_UNET = "resnet34_unet 32 256 16"


@dataclass(frozen=True)
class Part:
    """Runs of one study that are alike: groups, seeds of each, epochs, share of the training images, and network."""

    study: str
    groups: int
    seeds: int = DECIDING
    epochs: int = 10
    share: float = 1
    network: str = UNET


STUDIES = (
    Part("augmentation", 9),
    Part("pitfalls", 8, 8),
    Part("optimizer_tuning", 20, 2),
    Part("optimizer", 4),
    *(Part("data_size", 2, 6, epochs, share=share) for share, epochs in ((0.1, 100), (0.25, 40), (0.5, 20), (1, 10))),
    Part("recipe_tuning", 4, 2),
    Part("recipe_rates", 3),
    Part("recipe_parts", 3),
    *(Part("upsampling", 1, network=network) for network in (UNET, "unet 97 256 16", f"{UNET} transposed")),
    *(Part("architecture", 1, 5, network=network) for network in (UNET, "unet 85 256 16", RESNET34_UNET)),
    Part("architecture", 1, 5, 29, network=RESNET34_UNET),
    Part("long_training", 4, 6, 40),
)


def main() -> None:
    """Print one table of all studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_assumptions(parser)
    parser.add_argument("--pace", type=pace, help="images a second of UNet of width 64 at 256 px, measured")
    given = parser.parse_args()
    networks = {part.network for part in STUDIES}
    reckoned = {network: float(reckon(network, card_of(given))["images/s"]) for network in networks}
    faster = given.pace / reckoned[UNET] if given.pace else 1
    print(table(rows({network: faster * images for network, images in reckoned.items()})))


def pace(text: str) -> float:
    """Return a number above 0; ValueError for others."""
    if not 0 < (value := float(text)) < math.inf:
        raise ValueError(text)
    return value


def rows(images_per_second: dict[str, float]) -> Rows:
    """Return a row a part of a study, and the sum; `images_per_second` has those of each network."""
    found: Rows = []
    together = 0.0
    for part in STUDIES:
        images = part.epochs * (part.share * TRAINING + SCORED * VALIDATION) + SCORED * TEST
        hours = part.groups * part.seeds * images / images_per_second[part.network] / 3600
        together += hours
        numbers = {
            "network, width, px, batch": part.network,
            "groups": part.groups,
            "seeds": part.seeds,
            "epochs": part.epochs,
            "share of the images": part.share,
        }
        found.append(
            {"study": part.study, **{name: str(number) for name, number in numbers.items()}, "hours": f"{hours:.2f}"}
        )
    return [*found, {"study": "together", **dict.fromkeys(numbers, ""), "hours": f"{together:.2f}"}]


if __name__ == "__main__":
    main()
