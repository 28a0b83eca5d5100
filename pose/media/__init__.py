"""Reads photos and clips, writes clips and results."""
