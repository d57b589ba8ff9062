"""The published ArmoRM (arXiv 2406.12845), in and out: checkpoints read without remote code, reward models written in their layout."""
