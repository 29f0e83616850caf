"""Augmentation of image and mask together, on the device."""

from pets_seg.augment.elastic import RandomGridElastic
from pets_seg.augment.operations import check_operations
from pets_seg.augment.pipeline import Augment

__all__ = ["Augment", "RandomGridElastic", "check_operations"]
