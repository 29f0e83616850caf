"""How long the studies of experiments/ take at full size on one GPU: 256 px and width 64, batch 16, bf16.

    python experiments/gpu/full_size.py
    python experiments/gpu/full_size.py --pace unet=980 --pace resnet34_unet=3000

The hours are those of training, validation and test, at the images a second that `reckoning.py` reckons for an H100, or
that are given. An image that is only scored counts as a third of one that is trained on, since it needs no backward
pass. A sweep that decides is taken to need ten seeds a group.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from reckoning import add_assumptions, card_of, reckon

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from timing import Rows, table

TRAINING, VALIDATION, TEST = 3312, 368, 3669
SCORED = 1 / 3
DECIDING = 10
CASES = {"unet": "unet 64 256 16", "resnet34_unet": "resnet34_unet 32 256 16"}


@dataclass(frozen=True)
class Part:
    """Runs of one study that are alike: groups, seeds of each, passes over all training images, and network."""

    study: str
    groups: int
    seeds: int = DECIDING
    epochs: int = 10
    network: str = "unet"


STUDIES = (
    Part("augmentation", 9),
    Part("augmentation_40", 3, 6, 40),
    Part("pitfalls", 8, 8),
    Part("optimizer_tuning", 16, 2),
    Part("optimizer", 4),
    # Each share of the images is passed so often that the steps are those of ten epochs.
    Part("data_size", 8),
    Part("recipe_parts", 5),
    Part("upsampling", 3),
    Part("architecture", 1, epochs=5),
    Part("architecture", 1, epochs=32),
    Part("architecture", 2, epochs=5, network="resnet34_unet"),
    Part("confidence", 1, 6, 40),
)


def main() -> None:
    """Print one table of all studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_assumptions(parser)
    parser.add_argument("--pace", type=pace, action="append", default=[], help="NETWORK=IMAGES/S, measured")
    given = parser.parse_args()
    paces = {name: float(reckon(case, card_of(given))["images/s"]) for name, case in CASES.items()}
    paces |= dict(given.pace)
    print(table(rows(paces)))


def pace(text: str) -> tuple[str, float]:
    """Return the network and the images a second of `unet=980`."""
    name, _, value = text.partition("=")
    if name not in CASES or not float(value) > 0:
        raise ValueError(text)
    return name, float(value)


def rows(paces: dict[str, float]) -> Rows:
    """Return a row a study, and the sum."""
    found: Rows = []
    together = 0.0
    for part in STUDIES:
        runs = part.groups * part.seeds
        images = part.epochs * (TRAINING + SCORED * VALIDATION) + SCORED * TEST
        hours = runs * images / paces[part.network] / 3600
        together += hours
        found.append(
            {
                "study": part.study,
                "network": part.network,
                "groups": str(part.groups),
                "seeds": str(part.seeds),
                "epochs": str(part.epochs),
                "images/s": f"{paces[part.network]:.0f}",
                "hours": f"{hours:.2f}",
            }
        )
    empty = dict.fromkeys(("network", "groups", "seeds", "epochs", "images/s"), "")
    return [*found, {"study": "together", **empty, "hours": f"{together:.2f}"}]


if __name__ == "__main__":
    main()
