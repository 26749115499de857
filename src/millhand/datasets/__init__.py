"""Records, their checks, and the registry that LLaMA-Factory reads."""
