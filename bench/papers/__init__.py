"""The networks of the lecture doing what their authors reported: one script for each result."""
