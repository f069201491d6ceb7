"""Where results are kept: in memory and on disk, and as receipts of the files that a node saved."""
