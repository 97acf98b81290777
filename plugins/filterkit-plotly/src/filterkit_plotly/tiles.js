"use strict";
// The sheet's data from #data, and the order of its tiles; page.js draws it.
//
//   count              tiles, row by row, on `rows` x `columns` places
//   height, width      of a tile, in values; `channels` of each: 1, or 3 for red, green, blue
//   gap, longest       values between tiles; largest side of the picture, in pixels
//   levels, values     base64: uint8 and little-endian float32, tile by tile
//   known              whether `values` are weights or maps; if not, they are gray levels, 0 to 1
//   ends               the values of black and white, if they are the same for all tiles
//   metrics            of the catalog: `names`, and base64: `rows` of little-endian float64, one number per name,
//                      NaN if there is none, and the `row` of each tile, as little-endian uint32; a text is
//                      an index into its name's sorted list of `words`, which is null for numbers
//   addresses, tileLabels, rowLabels, columnLabels   names of tiles; lists and items may be empty
const tiles = (function () {
  const sheet = JSON.parse(document.getElementById("data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const levels = bytes(sheet.levels);
  const values = new Float32Array(bytes(sheet.values).buffer);
  const {count, rows, columns, height, width, channels, gap} = sheet;
  const perTile = height * width * channels;
  const pitch = {x: width + gap, y: height + gap};
  const MEASURED = {norm: "norm", mean: "mean", std: "standard deviation", min: "smallest", max: "largest"};

  function measure() {
    const columnsOf = Object.fromEntries(Object.keys(MEASURED).map((name) => [name, new Float64Array(count)]));
    for (let tile = 0; tile < count; tile++) {
      let n = 0, sum = 0, squares = 0, min = Infinity, max = -Infinity;
      for (let at = tile * perTile; at < (tile + 1) * perTile; at++) {
        const value = values[at];
        if (!Number.isFinite(value)) continue;
        n += 1; sum += value; squares += value * value;
        if (value < min) min = value;
        if (value > max) max = value;
      }
      const mean = sum / n;
      let spread = 0;
      for (let at = tile * perTile; at < (tile + 1) * perTile; at++) {
        if (Number.isFinite(values[at])) spread += (values[at] - mean) ** 2;
      }
      const found = {norm: Math.sqrt(squares), mean, std: Math.sqrt(spread / n), min, max};
      for (const name in found) columnsOf[name][tile] = n ? found[name] : NaN;
    }
    return Object.entries(columnsOf).map(([name, of]) => ({kind: "tile", name: MEASURED[name], of}));
  }

  function fromCatalog() {
    const {names, words, rows, row} = sheet.metrics;
    const table = new Float64Array(bytes(rows).buffer), rowOf = new Uint32Array(bytes(row).buffer);
    return names.map((name, number) => ({
      kind: words[number] ? "text" : "number",
      name,
      words: words[number],
      of: Float64Array.from(rowOf, (row) => table[row * names.length + number]),
    }));
  }

  function sorted(metric, reverse) {
    const order = Uint32Array.from({length: count}, (_, tile) => tile);
    if (!metric) return order;
    const {of, words} = metric, sign = Boolean(words) === reverse ? -1 : 1;  // texts ascend from A, numbers descend
    return order.sort((a, b) => {
      if (Number.isNaN(of[a]) || Number.isNaN(of[b])) return Number.isNaN(of[a]) - Number.isNaN(of[b]) || a - b;
      return sign * (of[a] - of[b]) || a - b;  // ties keep the sheet's order
    });
  }

  // Runs of tiles with the same text, each beginning a new row.
  function grouped(order, {of, words}) {
    const groups = [];
    order.forEach((tile, place) => {
      if (!place || !Object.is(of[tile], of[order[place - 1]])) groups.push({text: words[of[tile]] ?? "–", tiles: []});
      groups.at(-1).tiles.push(tile);
    });
    let first = 0;
    for (const group of groups) {
      group.first = first;
      group.rows = Math.ceil(group.tiles.length / columns);
      first += group.rows;
    }
    return groups;
  }

  // The tile at every place, row by row, -1 at empty ones, and the groups; no groups if there are too many to show.
  function arrange(metric, reverse) {
    const order = sorted(metric, reverse);
    const groups = metric?.words ? grouped(order, metric) : [];
    const needed = groups.reduce((sum, group) => sum + group.rows, 0);
    if (!groups.length || needed > 2 * rows + 8 || needed * pitch.y + gap > sheet.longest) {
      const places = new Int32Array(rows * columns).fill(-1);
      places.set(order);
      return {places, rows, groups: []};
    }
    const places = new Int32Array(needed * columns).fill(-1);
    for (const group of groups) places.set(group.tiles, group.first * columns);
    return {places, rows: needed, groups};
  }

  return {...sheet, levels, values, perTile, pitch, metrics: [...measure(), ...fromCatalog()], arrange};
})();
