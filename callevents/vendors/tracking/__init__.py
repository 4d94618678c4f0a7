"""What PBXs tell of their calls, and the call events that follow from it."""
