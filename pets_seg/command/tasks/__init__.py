"""What a command can do, one task per file."""
