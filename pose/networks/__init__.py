"""The networks (registry), the engines that compute them (engines, engine_choice), and their maps (heatmap_network)."""
