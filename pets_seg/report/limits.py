"""What limits the figures of a study: masks that leave Dice nothing to say, and what the comparison leaves out."""

from pets_seg.config.weights import TEACHER
from pets_seg.evaluation.mask_contents import IN_SUMMARY, images_left_out, recorded, without_pet
from pets_seg.report.data_remarks import data_remarks
from pets_seg.report.provenance import provenance_remarks
from pets_seg.report.study.factorial import joined
from pets_seg.report.study.groups import simplicity, written
from pets_seg.report.study.starts import KEY as START
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import listed
from pets_seg.report.truths import other_truths

# What of status.json says whether two runs should be equally fast.
MACHINE = ("host", "device", "threads", "processes", "instructions")
VARIED = 0.1


def splits_without_pet(study: Study) -> list[str]:
    """Return a sentence for each split that has no pet in finished runs; those of older versions do not say."""
    finished = [run for run in study.runs if run.finished]
    sentences = []
    for split in IN_SUMMARY:
        without = [run.name for run in finished if (held := recorded(run.summary, split)) and not held.has_pet]
        if without:
            said = without_pet(split)
            some = f"In {listed(without, 'and')} {said}." if len(without) < len(finished) else ""
            sentences.append(some or f"{said[0].upper()}{said[1:]}.")
    return sentences


def remarks(study: Study) -> list[str]:
    """Return the limits of the comparison: data, masks, what all runs started or learned from, what it leaves out."""
    sentences = data_remarks(study) + other_truths(study) + _uncounted(study) + _uncompared(study)
    sentences += provenance_remarks(study) + _throughput(study)
    # Where runs started from different weights, the names of groups say so.
    if START not in study.keys and (names := {run.settings.get(START) for run in study.runs} - {None}):
        sentences.append(f"All runs started from the weights of {written(names.pop())}.")
    if TEACHER not in study.keys and (names := {run.settings.get(TEACHER) for run in study.runs} - {None}):
        sentences.append(f"All runs learned from the network of {written(names.pop())}.")
    for item in study.differences:
        images = item.estimate.images
        most = max(len(run.images.get("test", ())) for run in item.group.finished)
        if item.metric == "test_dice" and item.estimate.seeds and images < most:
            common = f"{images} of {most} test images in common"
            without = "fewer than two test images in common, so that the means of runs are compared"
            sentences.append(f"{item.group.name} and {item.baseline.name} have {common if images else without}.")
    simplest = min(study.groups, key=simplicity) if study.groups else None
    if simplest and not simplest.finished and study.baselines:
        sentences.append(f"{simplest.name}, the simplest group, has no finished run and is not the baseline.")
    if len(study.keys) > 1 and study.differences and not study.design:
        sentences += _without_effects(study)
    return sentences


def _uncompared(study: Study) -> list[str]:
    """Return which groups `report.baseline` leaves alone; `data_remarks` names those whose data are the reason."""
    used = set(study.baselines.values())
    # What is missing may be a baseline, or what is compared with one.
    if study.design or not used or any(not group.finished for group in study.groups):
        return []
    alone = [group for group in study.finished if group not in used and group.name not in study.baselines]
    names = [group.short for group in alone if not group.data or any(map(group.may_share_data, used))]
    if not names:
        return []
    verb, them = ("is", "it") if len(names) == 1 else ("are", "them")
    return [
        f"{listed(names, 'and')} {verb} compared with no group: report.baseline leaves no group to compare {them} with."
    ]


def _without_effects(study: Study) -> list[str]:
    """Return why a sweep over several keys has no main effects, or no interactions."""
    if study.factorial is None:
        if len(joined(study.groups)) == 1:
            return [f"{listed(study.keys, 'and')} change together, so that their effects cannot be told apart."]
        return [
            f"The groups differ in {listed(study.keys, 'and')}, but have too few of the combinations of these for main "
            "effects: each group is compared as a whole."
        ]
    if len(study.factorial.factors) > 2:
        return [f"With {len(study.factorial.factors)} factors no interactions are sought."]
    return []


def _throughput(study: Study) -> list[str]:
    """Return a sentence if runs of a group, made with the same device and threads, were not equally fast."""
    varied: dict[str, str] = {}
    for group in study.finished:
        paces: dict[tuple[str, ...], list[float]] = {}
        for run in group.finished:
            if pace := run.facts.get("images_per_second"):
                paces.setdefault(tuple(str(run.status.get(key)) for key in MACHINE), []).append(pace)
        for alike in paces.values():
            if max(alike) > (1 + VARIED) * min(alike):
                varied[group.name] = f"{group.name} ({min(alike):.0f} to {max(alike):.0f} images/s)"
    if not varied:
        return []
    return [
        f"Throughput varied by more than a tenth between the runs of {listed([*varied.values()], 'and')}: the machine "
        "was probably busy with other work, so that times are not comparable."
    ]


def _uncounted(study: Study) -> list[str]:
    """Return how many images have no counted pixel, and which runs have figures that count them."""
    finished = [run for run in study.runs if run.finished]
    sentences: dict[str, None] = {}
    for split in IN_SUMMARY:
        for run in finished:
            if left_out := run.results.scores.left_out.get(split):
                sentences[f"{images_left_out(split, left_out, left_out + len(run.images.get(split, ())))}."] = None
    if older := [run.name for run in finished if run.results.scores.counts_them]:
        sentences[
            f"In the means of {listed(older, 'and')} they have Dice and IoU 1, as in older versions; task=evaluate "
            "computes the means without them."
        ] = None
    return list(sentences)
