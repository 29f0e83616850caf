"""What a command can do, a verb a file."""
