"""How long ONNX files take for a photograph on one core, and what the machine is and does meanwhile."""

import math
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime

from pets_seg.data.cache import Split
from pets_seg.export.agreement import Session, milliseconds
from pets_seg.machine.processor import instruction_set

# Times that all files are measured, one after another; the median of a file's counts.
ROUNDS = 5
# Linux's names of the instructions that multiply numbers of 8 bits.
INT8 = ("avx_vnni", "avx512_vnni", "amx_int8")


def measured(files: Sequence[Path], photos: Split) -> dict[str, Any]:
    """Return the milliseconds of each file for the first of `photos` on one thread, and under what conditions.

    A session is measured as `task=export` does it, while no other one computes.
    """
    sessions = [Session(onnx.load(file), 1) for file in files]
    started, all_before, own_before = time.perf_counter(), processor_seconds(), time.process_time()
    rounds = [[milliseconds([session], photos)[0] for session in sessions] for _ in range(ROUNDS)]
    own, everything = time.process_time() - own_before, processor_seconds() - all_before
    # Unlike max, it keeps a NaN.
    others = np.maximum(0.0, everything - own) / (time.perf_counter() - started)
    return {
        "ms": [median(times) for times in zip(*rounds, strict=True)],
        "processor": processor(),
        "onnxruntime": onnxruntime.__version__,
        "others": round(float(others), 2),
    }


def processor() -> str:
    """Return the name of the processor and the vector instructions that matter here."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    name = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    has = flags[1].split() if flags else []
    parts = [name[1].strip() if name else "", instruction_set(), *(flag.upper() for flag in INT8 if flag in has)]
    return ", ".join(part for part in parts if part)


def processor_seconds() -> float:
    """Return how many seconds all cores of the machine have worked since it was started; NaN where Linux is not."""
    try:
        user, nice, system, _, _, irq, softirq, steal, *_ = Path("/proc/stat").read_text().split()[1:]
    except (OSError, ValueError):
        return math.nan
    return sum(map(int, (user, nice, system, irq, softirq, steal))) / os.sysconf("SC_CLK_TCK")
