"""Speech engines and vocoders: who says the texts of the corpus."""
