"""How filters respond to many pictures: values by picture, statistics, extremes, receptive fields."""
