"""What runs: which networks there are (registry), where they run (devices), a picture to heatmaps (heatmap_network)."""
