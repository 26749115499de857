"""The Hugging Face Hub: cards, gates, and files brought there and back."""
