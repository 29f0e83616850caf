"""Metrics, and the scores and predictions of a network from its weights."""
