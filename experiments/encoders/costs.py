"""What of an encoder's cost is the same on every machine: shapes, parameters and multiply-accumulates.

python experiments/encoders/costs.py > experiments/encoders/costs.csv
"""

import csv
import sys

from measure import ENCODERS

from pets_seg.models.cost import count_macs, count_parameters
from pets_seg.models.timm_unet import TimmUNet

SIZE = 128
# Of the decoder: that of the table, and a narrow one for the sentence under it.
WIDTHS = (16, 8)


def main() -> None:
    """Print a row for each encoder and width of the decoder."""
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["encoder", "width", "maps", "parameters", "macs"])
    for encoder in ENCODERS:
        for width in WIDTHS:
            network = TimmUNet(encoder, width=width)
            maps = zip(network.encoder.feature_info.channels(), network.encoder.feature_info.reduction(), strict=True)
            shapes = ", ".join(f"{channels} at 1/{reduction}" for channels, reduction in maps)
            table.writerow([encoder, width, shapes, count_parameters(network), count_macs(network, SIZE)])


if __name__ == "__main__":
    main()
