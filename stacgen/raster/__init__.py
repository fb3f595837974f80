"""Arrays to digital numbers, overviews, COGs and pictures; reading through GDAL."""
