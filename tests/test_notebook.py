"""A notebook as a student types it, with the habits of NumPy, Matplotlib and pandas and no documentation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

CELLS = """
import filterkit as fk
import numpy as np
import matplotlib.pyplot as plt

bench = fk.open('student.db')
bench

bench.add('vgg16')

bench

bench.models()

layers = bench.layers('vgg16')
layers

layers['layer']

len(layers), layers[0], layers[-1]['filters']

rows = bench.filters('vgg16')
rows

rows.columns

rows[:5]

np.mean(rows['l2_norm']), np.max(rows['sparsity'])

df = rows.to_pandas()
df.describe()

df.groupby('layer').size()

df.sort_values('l2_norm').head()

import pandas as pd
pd.DataFrame(rows).head()

import polars as pl
pl.DataFrame(rows).head()

bench.filters('vgg16/block1_conv1', sort='-l2_norm', limit=5)

w = bench.bank('vgg16/block1_conv1')
w.shape, w.dtype

plt.imshow(w[0, 0])

plt.hist(w.ravel(), bins=50);

sheet = bench.sheet('vgg16/block1_conv1')
sheet

plt.imshow(sheet)

sheet.save('filters.png')

from skimage import data
img = data.astronaut()
plt.imshow(img)

maps = bench.feature_maps('vgg16/block1_conv1', img)
maps

maps.shape, len(maps), maps.dtype

plt.imshow(maps[0], cmap='gray')

np.asarray(maps).mean(axis=(1, 2))

maps[:4].shape, maps[-1].max()

fig, axes = plt.subplots(1, 4)
for ax, m in zip(axes, maps):
    ax.imshow(m)

(maps - np.mean(maps)).std(), (maps > 0).mean()

many = bench.feature_maps('vgg16/block1_*', img)
list(many.keys())

many['block1_conv2'].shape

{name: m.max() for name, m in many.items()}

similar = bench.similar('vgg16/block1_conv1/0')
similar

bench.sheet(similar)

bench.stats('vgg16')

chart = bench.stats_chart('vgg16')
chart

chart.save('stats.png')

maps.save('maps.npz')
np.load('maps.npz').files

[r['address'] for r in rows if r['l2_norm'] > 5][:3]

bench.duplicates('vgg16/block1_*')

bench.query('select count(*) from filter')
""".strip().split("\n\n")


@pytest.mark.zoo
@pytest.mark.slow
def test_a_notebook_of_habits_runs_without_an_error(zoo_model: Callable[[str], Path], tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    zoo_model("vgg16")  # skips where it cannot be fetched
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", allow_errors=True, resources=place).execute()
    failed = {
        cell.source: f"{output.ename}: {output.evalue}"
        for cell in notebook.cells
        for output in cell.outputs
        if output.output_type == "error"
    }
    assert failed == {} and len(CELLS) >= 40
    nbformat.write(notebook, tmp_path / "student.ipynb")
    assert (tmp_path / "student.ipynb").stat().st_size < 2_000_000
    for cell in notebook.cells:  # a picture or a table for each result, and no wall of text
        for output in cell.outputs:
            assert len(output.get("data", {}).get("text/plain", "")) < 3_000, cell.source
    assert {path.name for path in tmp_path.iterdir()} >= {"filters.png", "stats.png", "maps.npz"}
