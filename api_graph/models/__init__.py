"""What the loaders of CLIPs, LVLMs and segmenters share."""
