"""What holds for the streams of all PBXs: recorded calls, order, lost connections."""
