"""Where things run: one seam, and the machines behind it."""
