"""Enhanced CT: the frames of one file as slices, by their functional groups."""
