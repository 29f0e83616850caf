"""Test images with the masks that the groups of a study predict for them."""

import logging

import numpy as np

from pets_seg.errors import reason
from pets_seg.report.search import only_trials
from pets_seg.report.study.compare import common_seeds
from pets_seg.report.study.examples import Example, choose_groups, choose_images
from pets_seg.report.study.study import Study

log = logging.getLogger("pets_seg")


def draw_examples(study: Study) -> tuple[list[Example], str, bool]:
    """Return test images with the masks that the groups' best weights predict, or why there are none.

    The last value is false where another try may have images. The masks are computed anew on the CPU: a run folder
    holds weights, not masks.
    """
    from pets_seg.evaluation.prediction import predict_test

    groups = choose_groups(study)
    if only_trials(study):
        return [], "", True
    if not groups:
        changed = any(group.data for group in study.groups)
        return [], f"no run has scores of test images{' of the newest data' if changed else ''}", True
    [seed, *_] = common_seeds(groups)
    runs = [next(run for run in group.finished if run.seed == seed) for group in groups]
    chosen = choose_images(runs)
    if not chosen:
        return [], "the groups have no test image in common", True
    try:
        predicted = [predict_test(run.folder, [stem for _, stem in chosen]) for run in runs]
    # A user's own network may raise anything; the report is made without images.
    except Exception as error:
        log.debug("traceback", exc_info=True)
        return [], reason(error), False
    images, truths, _ = predicted[0]
    examples = []
    for index, (kind, stem) in enumerate(chosen):
        example = Example(kind, stem, seed, images[index], truths[index])
        for group, run, (_, _, masks) in zip(groups, runs, predicted, strict=True):
            example.predicted[group.name] = resized(masks[index], len(truths[index]))
            example.dice[group.name] = float(run.images["test"]["dice"][stem])
        examples.append(example)
    return examples, "", True


def resized(mask: np.ndarray, size: int) -> np.ndarray:
    """Return a square mask at another size, each pixel that of `mask` (S,S) at its middle."""
    nearest = ((np.arange(size) + 0.5) * len(mask) // size).astype(int)
    return mask[np.ix_(nearest, nearest)]
