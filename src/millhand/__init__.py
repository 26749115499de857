"""Millhand: documents to records to a LLaMA-Factory run to a served model, one thin layer.

The package imports nothing here, so that ``millhand --help`` stays fast.
"""

__version__ = "0.1.0"
