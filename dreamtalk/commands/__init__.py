"""The commands about one video or file: each its arguments, and the job that it runs."""
