"""Copies of a run's figures for others: W&B, or a tracker of a user's own."""
