"""A person's corrections of a built dataset: out as CSV, back in, put to its rows at every build."""
