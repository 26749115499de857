"""The check against LLaMA-Factory itself, over the same cases: hand-written ones and generated mutations."""
