"""Runs: their plan, steps and ledger, and what they leave."""
