"""The services that stream Sentinel-2 bands: addresses, answers, playlists, and a sample service."""
