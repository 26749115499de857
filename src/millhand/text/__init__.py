"""Korean text: one normal form, and what lengths are counted in."""
