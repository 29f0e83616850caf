"""The figures of a study, one a file: each turns it into a `drawing.Drawing`, or None where it has no data."""
