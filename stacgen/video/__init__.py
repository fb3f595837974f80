"""Segment bytes to arrays of codes: MPEG-TS, HEVC, integrity, decoder processes."""
