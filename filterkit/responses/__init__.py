"""How filters respond to many pictures: per-picture values, statistics, the highest and lowest, receptive fields."""
