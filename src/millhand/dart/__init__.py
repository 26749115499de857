"""DART's filings: fetched over its open API, then made into Markdown, sentences and chunks."""
