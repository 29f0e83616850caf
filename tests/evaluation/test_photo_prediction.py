"""The pictures that show a prediction, against SciPy and Pillow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_erosion, minimum_filter

from pets_seg.evaluation.photo_prediction import LINE, STRENGTH, TINT, Prediction, _eroded


def prediction(mask: np.ndarray) -> Prediction:
    colours = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3), np.uint8)
    return Prediction(Image.fromarray(colours), mask.astype(np.float32))


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 1100), st.floats(0, 0.4))
def test_an_overlay_tints_the_pet_and_outlines_it(seed: int, height: int, width: int, clear: float) -> None:
    mask = np.random.default_rng(seed).random((height, width)) > clear
    shown = np.asarray(prediction(mask).overlay())
    reach = max(1, round(max(height, width) / 500))
    inner = binary_erosion(mask, np.ones((2 * reach + 1, 2 * reach + 1)), border_value=1)
    photo = np.asarray(prediction(mask).photo)
    assert (shown[~mask] == photo[~mask]).all()
    assert (shown[mask & ~inner] == LINE).all()
    tinted = photo * (1 - STRENGTH) + np.array(TINT) * STRENGTH
    assert np.abs(shown - tinted)[inner].max(initial=0) <= 1


@pytest.mark.parametrize("reach", [*range(1, 9), 30, 200])
def test_an_outline_may_be_wide(reach: int) -> None:
    mask = np.random.default_rng(reach).random((120, 90)) > 1 / reach**2
    wanted = minimum_filter(mask, 2 * reach + 1, mode="constant", cval=1)
    assert (_eroded(mask, reach) == wanted).all()


def test_share_and_confidence_are_means_over_pixels() -> None:
    found = Prediction(Image.new("RGB", (2, 2)), np.array([[0.9, 0.2], [0.5, 1.0]], np.float32))
    assert found.share == 0.5
    assert found.confidence == pytest.approx((0.9 + 0.8 + 0.5 + 1.0) / 4)
