"""Digital patients by region; each draws itself from a seed and paints any of its slices."""
