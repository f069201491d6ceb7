"""Point clouds as six depth views that a CLIP can read (PointCLIP), and what they show."""
