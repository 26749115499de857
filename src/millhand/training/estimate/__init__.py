"""What a training needs before it runs: memory by part, tokens, steps, time, disk. Pure; no torch."""
