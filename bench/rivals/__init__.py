"""What somebody would write in an hour instead: Flask that hands each event to a task queue."""
