"""Files between a client and a pod, both ways: only what changed, checked, and gone on with after a cut."""
