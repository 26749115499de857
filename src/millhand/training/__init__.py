"""From a preset to the files and the environment that a run needs."""
