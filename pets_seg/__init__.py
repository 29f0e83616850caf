"""Ablation studies of binary pet segmentation."""
