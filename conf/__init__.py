"""Configuration files, found by Hydra as the package pets_seg.conf."""
