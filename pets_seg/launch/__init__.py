"""Launchers of Hydra that know nothing of what the jobs of a sweep do."""
