"""One file per published method: its equations, in its paper's symbols, and nothing else."""
