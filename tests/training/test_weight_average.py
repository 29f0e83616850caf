"""The moving average of weights, against its formula."""

import torch
from torch import nn

from pets_seg.training.weight_average import WeightAverage


def test_the_average_follows_its_formula_and_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
    average = WeightAverage(network, 0.3)
    expected = [parameter.detach().double().clone() for parameter in network.parameters()]
    mean = network[1].running_mean.double().clone()
    for update in range(8):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        network(torch.randn(4, 3, 5, 5))
        if update == 4:
            state = average.state_dict()
            average = WeightAverage(network, 0.3)
            average.load_state_dict(state)
        average.update(network)
        decay = min(0.3, (1 + update) / (10 + update))
        for kept, parameter in zip(expected, network.parameters(), strict=True):
            kept.mul_(decay).add_(parameter.detach().double(), alpha=1 - decay)
        mean.mul_(decay).add_(network[1].running_mean.double(), alpha=1 - decay)
    for kept, parameter in zip(expected, average.network.parameters(), strict=True):
        torch.testing.assert_close(parameter.double(), kept, atol=1e-6, rtol=1e-6)
        assert not parameter.requires_grad
    assert average.network[1].num_batches_tracked == 8
    torch.testing.assert_close(average.network[1].running_mean.double(), mean, atol=1e-6, rtol=1e-6)
