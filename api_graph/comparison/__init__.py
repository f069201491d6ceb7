"""Runs over the same rows side by side: which of them scores higher, how sure that is, and where they differ."""
