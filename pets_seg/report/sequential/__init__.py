"""A sweep that decides: its design, declared before the first run, and what each look at its seeds tells."""
