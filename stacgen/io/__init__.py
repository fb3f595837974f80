"""Bytes in and out: HTTP, folders, buckets, locks, credentials."""
