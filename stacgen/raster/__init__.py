"""Arrays to digital numbers, overviews, Cloud-Optimized GeoTIFFs and pictures; reading through GDAL."""
