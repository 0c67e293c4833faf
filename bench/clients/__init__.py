"""One program for each way to upload; each does one job in a process of its own."""
