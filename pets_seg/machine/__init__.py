"""The machine that a process runs on: files, folders, terminal, devices, other processes, random numbers."""
