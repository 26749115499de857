"""RunPod's API v2: a typed client, candidates and prices, renting, readiness, billing, logs."""
