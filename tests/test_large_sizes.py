"""The check of operations before a run: at a large data.size it takes few images, for it must not fill the memory."""

import pytest
from conftest import aug_operations

from pets_seg.augment import check_operations, operations


@pytest.mark.parametrize(("size", "images"), [(64, 8), (512, 8), (2048, 1)])
def test_a_check_takes_so_many_images(size: int, images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    both = operations._both

    def spied(operation: object) -> object:
        made = both(operation)
        return lambda image, mask: taken.append(len(image)) or made(image, mask)

    monkeypatch.setattr(operations, "_both", spied)
    check_operations(aug_operations("hflip", size), size)
    assert taken == [-(-images // 2), images, images, images]
