"""The loss of an epoch is a mean over the images that have a counted pixel."""

import pytest
import torch

from pets_seg.machine.world import ALONE
from pets_seg.training.running_loss import RunningLoss

CPU = torch.device("cpu")


def test_batches_weigh_by_their_images_with_a_counted_pixel() -> None:
    losses = RunningLoss(CPU, ALONE)
    assert losses.look() == 0
    for means, images, counted in (((0.5, 0.25), 4, 4), ((0.0, 0.0), 2, 0), ((2.0, 1.0), 4, 1)):
        losses.add(torch.tensor(means), images, torch.tensor(counted))
    # (4 x 0.5 + 1 x 2) / 5 and (4 x 0.25 + 1 x 1) / 5; ten images were seen.
    assert losses.means() == pytest.approx((0.8, 0.4))
    assert losses.look() == pytest.approx(0.8)
    assert losses.images == 10
    state = losses.state_dict()
    continued = RunningLoss(CPU, ALONE)
    continued.load_state_dict(state)
    assert continued.means() == losses.means()
    # A checkpoint of an older version, for which every image counted.
    del state["counted"]
    continued.load_state_dict(state)
    assert continued.means() == pytest.approx((0.4, 0.2))
