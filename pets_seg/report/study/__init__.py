"""Run folders read, grouped and compared."""
