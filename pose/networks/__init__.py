"""What runs: which networks there are (registry), where (engines), a picture to heatmaps (heatmap_network)."""
