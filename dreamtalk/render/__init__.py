"""Motion into frames, and frames into videos."""
