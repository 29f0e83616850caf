"""The metric, and what a network scores by it."""
