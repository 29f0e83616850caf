"""AdaStop 0.1.3 (Mathieu et al., arXiv 2306.10882) on simulated studies: pip install adastop==0.1.3.

It tests by permuting the mean scores of runs, which it does not pair by seed, and knows no margin: it says "equal" of
whatever it has not told apart after its last interim.
"""

import numpy as np
from procedures import ALPHA, Outcome
from studies import FIRST, LAST

from pets_seg.run_folder.design import BETTER, EQUAL, WORSE

# Its default; with fewer than 4,901 it keeps to the 70 permutations of the first interim.
PERMUTATIONS = 10_000
WORDS = {"larger": WORSE, "smaller": BETTER, "equal": EQUAL}


def adastop(scores: np.ndarray, difference: float) -> Outcome:
    """Return how studies end whose groups get `difference`; `scores` (runs, LAST, studies), the baseline's first."""
    from adastop import MultipleAgentsComparator

    runs, _, studies = scores.shape
    verdicts, pairs = np.empty((runs - 1, studies), dtype="<U16"), np.empty((runs - 1, studies), dtype=int)
    for study in range(studies):
        values = scores[:, :, study] + np.r_[0.0, np.full(runs - 1, difference)][:, None]
        comparisons = np.array([(0, group) for group in range(1, runs)])
        comparator = MultipleAgentsComparator(
            n=FIRST, K=LAST // FIRST, B=PERMUTATIONS, comparisons=comparisons, alpha=ALPHA, seed=study
        )
        ended = np.zeros(runs - 1, dtype=int)
        for interim in range(1, LAST // FIRST + 1):
            known = {str(run): values[run, : interim * FIRST] for run in range(runs)}
            comparator.partial_compare(known, verbose=False)
            told = [comparator.decisions[str(pair)] for pair in comparisons]
            ended[(ended == 0) & (np.array(told) != "continue")] = interim * FIRST
            if comparator.is_finished:
                break
        verdicts[:, study] = [WORDS[word] for word in told]
        pairs[:, study] = ended
    nothing = np.full(verdicts.shape, np.nan)
    return Outcome(verdicts, pairs, nothing, nothing)
