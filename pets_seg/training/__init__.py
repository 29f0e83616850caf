"""The loop that trains a run, and what it needs."""
