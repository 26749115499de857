"""What LLaMA-Factory knows and does, without importing it."""
