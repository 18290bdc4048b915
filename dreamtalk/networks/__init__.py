"""The networks of the papers, in plain torch: nothing here knows how they are made faster."""
