"""The services that stream Sentinel-2 bands: addresses, answers, playlists, a sample."""
