"""What can be configured: groups and their options, the rules of their settings, and the name of a run."""
