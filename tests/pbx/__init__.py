"""Streams of PBXs, and the call events that follow from them."""
