"""What a process finds on its machine: files, folders, a terminal, devices, other processes, random numbers."""
