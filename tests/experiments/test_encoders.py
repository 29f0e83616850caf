"""The table of encoders has a row for each, with figures that a network of theirs has."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import make_network

from pets_seg.models.cost import count_macs, count_parameters

MEASURE = Path(__file__).parents[2] / "experiments" / "encoders" / "measure.py"


@pytest.mark.slow
def test_the_table_has_the_cost_of_an_encoder() -> None:
    command = [
        sys.executable,
        str(MEASURE),
        *("--seconds", "0.01", "--rounds", "1", "--size", "64"),
        *("--encoders", "mobilenetv3_small_100"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    assert re.match(r"[A-Z0-9_, ]+; \d+ threads; torch .*; 64 px; batch 16; fp32\n", done.stdout)
    *_, row = done.stdout.splitlines()
    encoder, maps, parameters, macs, pace, memory = row.strip("| ").split(" | ")
    assert encoder == "`mobilenetv3_small_100`"
    assert maps == "16 at 1/2, 16 at 1/4, 24 at 1/8, 48 at 1/16, 576 at 1/32"
    network = make_network("timm_unet", encoder="mobilenetv3_small_100")
    assert float(parameters) == round(count_parameters(network) / 1e6, 1)
    assert 0.05 < float(macs) < 0.3
    assert float(pace) > 0
    assert float(memory) > 100


def test_the_kept_costs_are_those_of_the_networks() -> None:
    with open(MEASURE.with_name("costs.csv")) as file:
        rows = [*csv.DictReader(file)]
    row = next(row for row in rows if row["encoder"] == "resnet18" and row["width"] == "8")
    network = make_network("timm_unet", encoder="resnet18", width=8)
    assert int(row["parameters"]) == count_parameters(network)
    assert int(row["macs"]) == count_macs(network, 128)
