"""Hydra launchers that hand the jobs of a sweep to an engine on other machines; they know nothing of this project."""
