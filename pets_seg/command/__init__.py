"""What a command line means, from its words to its exit code."""
