"""Draw the picture in the README: python norms.py FOLDER PICTURE, after filterkit export-catalog FOLDER."""

import sys

import duckdb
import matplotlib.pyplot as plt

folder, picture = sys.argv[1:]
rows = duckdb.sql(f"""
    SELECT l.position + 1, l.name, quantile_cont(f.l2_norm, [0.05, 0.25, 0.5, 0.75, 0.95])
    FROM '{folder}/filters.parquet' f JOIN '{folder}/layers.parquet' l ON l.id = f.layer_id
    WHERE f.model = 'vgg16' GROUP BY ALL ORDER BY 1
""").fetchall()
places, names, quantiles = zip(*rows, strict=True)
p5, p25, median, p75, p95 = zip(*quantiles, strict=True)
plt.figure(figsize=(8, 3.6), layout="constrained")
plt.fill_between(places, p5, p95, color="#d0d9f0", label="90 % of filters")
plt.fill_between(places, p25, p75, color="#8fa5d8", label="half of them")
plt.plot(places, median, "o-", color="#24386b", label="median")
plt.xticks(places, names, rotation=35, ha="right", fontsize=8)
plt.ylabel("L2 norm of a filter")
plt.ylim(bottom=0)
plt.legend(frameon=False)
plt.title("vgg16: norms of the filters, layer by layer", fontsize=11)
plt.savefig(picture, dpi=110)
