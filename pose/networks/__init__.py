"""Which networks there are (registry), what computes them (engines, engine_choice), their maps (heatmap_network)."""
