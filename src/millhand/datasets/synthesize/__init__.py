"""Questions and answers from passages: by a model behind an endpoint, or by rules without any."""

from millhand.datasets.synthesize.options import Options
from millhand.datasets.synthesize.pricing import Price, price

__all__ = ["Options", "Price", "price"]
