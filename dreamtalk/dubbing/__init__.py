"""A filmed person says something else: only the mouth of the video changes."""
