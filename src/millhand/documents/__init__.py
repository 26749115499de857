"""Any source -> rows or a document, each with where it came from."""
