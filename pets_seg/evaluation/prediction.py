"""The predictions of a run's best weights, computed again on the CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pets_seg.config.checks import check_option
from pets_seg.config.parts import permitted
from pets_seg.config.schema import IGNORED
from pets_seg.config.sources import check_sources, source_digests
from pets_seg.data import Normalise, open_dataset
from pets_seg.data.batches import mask_of_trimap
from pets_seg.errors import InputError
from pets_seg.evaluation.metrics import hard_mask
from pets_seg.models import memory_format
from pets_seg.models.checkpoint import load_network, read_about
from pets_seg.run_folder.config_file import read_config, root_problem
from pets_seg.run_folder.data_record import data_record
from pets_seg.run_folder.names import BEST, CONFIG, STATUS
from pets_seg.run_folder.reading import read_json


def recorded_data(run: Path) -> dict[str, Any]:
    """Return the `data` settings of a run's config.yaml, maybe a stranger's; InputError if they break our rules."""
    data = read_config(run / CONFIG)["data"]
    # A stranger must not choose where files are written.
    data |= {key: value for key, value in (("cache_dir", None), ("download", False)) if key in data}
    try:
        data = permitted("data", data)
        check_option("data", data)
    except InputError as error:
        raise InputError(f"{run / CONFIG}: {error}; or give data=... and data.root=...") from None
    return data


def predict_test(run: Path, stems: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the predictions of a run's best weights for some of its test images, computed on the CPU.

    Images (N,S,S,3) uint8, masks (N,S,S) uint8 and predictions (N,S,S) bool, in the order of `stems`. Raises InputError
    if the run has no weights or its data no such images.
    """
    weights = run / BEST
    if not weights.is_file():
        raise InputError(f"{run} has no {BEST}")
    about = read_about(weights)
    data = recorded_data(run)
    if problem := root_problem(data):
        raise InputError(f"{run / CONFIG}: {problem}")
    status = read_json(run / STATUS)
    check_sources(run, status.get("sources"), source_digests([about["model"], data]))
    dataset = open_dataset(data | {"size": about["size"]}, needed=("test",), warn=False)
    if (digest := data_record(status, {}).digest) and digest != dataset.index.digest:
        raise InputError(f"{run}: its images or masks have changed since it was trained")
    test = dataset.test
    row_of = dict(zip(test.stems, test.rows.tolist(), strict=True))
    if missing := [stem for stem in stems if stem not in row_of]:
        raise InputError(f"the data set has no {missing[0]} among its test images")
    rows = [row_of[stem] for stem in stems]
    images = test.images[rows].numpy()
    masks = mask_of_trimap(about["boundary"]).numpy()[test.trimaps(torch.tensor(rows)).numpy()]
    device = torch.device("cpu")
    network = load_network(weights, device).eval()
    normalise = Normalise(about["normalisation"], device, memory_format(device, network))
    # One by one, since large images need much memory.
    inputs = (torch.from_numpy(image[None]).float().div_(255) for image in images)
    with torch.inference_mode():
        predicted = np.stack([hard_mask(network(normalise(image)))[0].numpy() for image in inputs])
    return images.transpose(0, 2, 3, 1), masks, predicted & (masks != IGNORED)
