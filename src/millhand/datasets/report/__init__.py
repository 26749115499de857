"""``millhand data report``: a built dataset on one page that needs nothing but a browser."""
