"""Metrics, and what a network scores and predicts by its weights."""
