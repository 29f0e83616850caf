"""The figures of a study, one a file: each function returns a `drawing.Drawing`, or None if there is no data."""
