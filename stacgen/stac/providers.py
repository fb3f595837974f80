"""Whose data it is and under what terms, as the documents say it."""

from typing import Any

WHAT = "Sentinel-2 Level-2A frames that ESA distributes as video"
DOI = "10.5270/S2_-znk9xsj"
PROVIDERS: tuple[dict[str, Any], ...] = (
    {
        "name": "European Union, Copernicus Programme",
        "roles": ["licensor"],
        "url": "https://www.copernicus.eu",
    },
    {
        "name": "ESA",
        "roles": ["producer", "processor"],
        "url": "https://sentinels.copernicus.eu",
    },
)
LEGAL: tuple[dict[str, Any], ...] = (
    {
        "rel": "license",
        "href": "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice",
        "title": "Legal notice on the use of Copernicus Sentinel Data",
    },
    {
        "rel": "cite-as",
        "href": f"https://doi.org/{DOI}",
        "title": "Copernicus Sentinel-2, MSI Level-2A BOA Reflectance Product, Collection 1",
    },
)
