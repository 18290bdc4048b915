"""What the voices say."""
