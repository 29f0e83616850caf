"""The line that names a number format that may be quicker, where the processor has one."""

import logging
from functools import cache

from pets_seg.machine.processor import bf16_instructions

# A step in bf16 beside one in fp32, with AVX-512 and BF16 (experiments/precision).
FACTOR = "1.4 to 1.8 times"
log = logging.getLogger("pets_seg")


@cache
def tell_of_bf16() -> None:
    """Say once in a process that bf16 may be quicker here than the fp32 that `train.precision=auto` takes on a CPU."""
    if names := bf16_instructions():
        log.info(f"train.precision=bf16 may be {FACTOR} as fast here ({names[-1]})")
