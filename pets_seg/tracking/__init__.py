"""The run folder, which is the truth, and W&B, which gets a copy."""
