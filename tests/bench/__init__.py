"""Short forms of `make bench`: figures are not judged, only that they are there."""
