"""LVLMs: the one that says where to look (its attention), and the one that answers (local, or behind an endpoint)."""
