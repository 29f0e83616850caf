"""Show photographs and the cut-outs that task=predict made of them in one picture, photograph above cut-out.

python experiments/shipped_model/picture.py PHOTOS OUTPUT PICTURE.jpg
"""

import argparse
from pathlib import Path

from PIL import Image

HEIGHT, GAP, SQUARE = 260, 10, 10
# The two greys of the chequered ground that stands for transparency.
GREYS = (255, 224)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of the photographs, *.jpg")
    parser.add_argument("output", type=Path, help="folder that task=predict wrote")
    parser.add_argument("picture", type=Path, help="file that is written")
    given = parser.parse_args()
    columns = [
        (reduced(Image.open(photo).convert("RGB")), on_ground(given.output / f"{photo.stem}_cutout.png"))
        for photo in sorted(given.photos.glob("*.jpg"))
    ]
    widths = [photo.width for photo, _ in columns]
    whole = Image.new("RGB", (sum(widths) + GAP * (len(widths) - 1), 2 * HEIGHT + GAP), "white")
    left = 0
    for photo, cutout in columns:
        whole.paste(photo, (left, 0))
        whole.paste(cutout, (left, HEIGHT + GAP))
        left += photo.width + GAP
    whole.save(given.picture, quality=88)
    print(f"{len(columns)} photographs: {given.picture}")


def reduced(image: Image.Image) -> Image.Image:
    """Return an image at the height of a row."""
    return image.resize((round(image.width * HEIGHT / image.height), HEIGHT), Image.Resampling.LANCZOS)


def on_ground(file: Path) -> Image.Image:
    """Return a cut-out at the height of a row, on a chequered ground."""
    cutout = reduced(Image.open(file).convert("RGBA"))
    ground = Image.new("L", cutout.size)
    ground.putdata([GREYS[(x // SQUARE + y // SQUARE) % 2] for y in range(cutout.height) for x in range(cutout.width)])
    return Image.alpha_composite(ground.convert("RGBA"), cutout).convert("RGB")


if __name__ == "__main__":
    main()
