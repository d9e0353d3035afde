"""One file per published method: its section, and its equations in its paper's symbols."""
