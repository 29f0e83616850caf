"""The pretrained weights of timm's networks: where they are, and the images that they expect."""

import logging
from pathlib import Path
from typing import Any

import torch

from pets_seg.errors import InputError, reason

WEIGHTS = "model.safetensors"
# In seconds, before a host counts as out of reach.
PATIENCE = 10


def pretrained_file(encoder: str) -> Path:
    """Return the file of an encoder's pretrained weights, downloaded from the Hugging Face hub unless it is cached.

    Raises InputError if it cannot be had, and if `encoder` does not say which weights: which ones timm takes by
    default may change with its version.
    """
    import timm
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    published: Any = timm.get_pretrained_cfg(encoder)
    if not published.hf_hub_id:
        raise InputError(f"model.encoder={encoder}: no weights of it are published; use model.pretrained=false")
    if "." not in encoder:
        known = ", ".join(timm.list_pretrained(f"{encoder}.*")[:10])
        raise InputError(
            f"model.encoder={encoder} model.pretrained=true: say which weights ({known}), e.g. "
            f"model.encoder={encoder}.{published.tag}"
        )
    cached = try_to_load_from_cache(published.hf_hub_id, WEIGHTS)
    if isinstance(cached, str):
        return Path(cached)
    try:
        return _downloaded(published.hf_hub_id)
    # Also what its HTTP library raises, which differs between versions.
    except Exception as error:
        command = f"hf download {published.hf_hub_id} {WEIGHTS}"
        raise InputError(
            f"model.pretrained=true: {published.hf_hub_id}/{WEIGHTS} cannot be downloaded ({reason(error)}); give "
            f"`{command}` where there is a network and bring {HF_HUB_CACHE} here, or use model.pretrained=false"
        ) from error


def pretrained_features(encoder: str) -> dict[str, torch.Tensor]:
    """Return the pretrained weights of an encoder's feature maps; InputError if they cannot be had or are others."""
    import timm

    file = pretrained_file(encoder)
    given: dict[str, Any] = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file)}}
    logger = logging.getLogger("timm")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # The whole network first: of feature maps alone timm accepts a file that has none of their weights.
        timm.create_model(encoder, **given)
        trained: torch.nn.Module = timm.create_model(encoder, features_only=True, **given)
    # A file that is no safetensors has an error of that library's.
    except Exception as error:
        raise InputError(
            f"model.pretrained=true: {file} does not hold the weights of {encoder} ({reason(error)}); remove it, so "
            "that it is downloaded again"
        ) from error
    finally:
        logger.setLevel(level)
    return trained.state_dict()


def _downloaded(repository: str) -> Path:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.utils import get_session

    # A download tries for most of a minute before it says that the hub is out of reach.
    get_session().head(constants.ENDPOINT, timeout=PATIENCE)
    return Path(hf_hub_download(repository, WEIGHTS))


def from_imagenet(published: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scale and shift, (1,3,1,1) each, from images normalised as ImageNet's to those that weights expect.

    `published` is timm's record of the weights.
    """
    from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

    given_mean, given_std = torch.tensor(IMAGENET_DEFAULT_MEAN), torch.tensor(IMAGENET_DEFAULT_STD)
    mean, std = torch.tensor(published.mean), torch.tensor(published.std)
    return (given_std / std).view(1, 3, 1, 1), ((given_mean - mean) / std).view(1, 3, 1, 1)
