"use strict";
// Draws the sheet in #data: all tiles are one picture, one pixel per value, that plotly shows and zooms.
//
//   count              tiles, row by row; `rows` x `columns` places hold them
//   height, width      of a tile, in values; `channels` of each: 1, or 3 for red, green, blue
//   levels, values     base64: uint8 and little-endian float32, tile by tile
//   known              whether `values` are weights or maps; gray levels, 0 to 1, where not
//   ends               the values of black and white, where all tiles have the same
//   metrics            of the catalog: `names`, and base64: `rows` of little-endian float64, one number per name,
//                      NaN where there is none, and which `row` is a tile's, as little-endian uint32
//   addresses, tileLabels, rowLabels, columnLabels   what tiles are called; may be empty, also each
(function () {
  const sheet = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const levels = bytes(sheet.levels);
  const values = new Float32Array(bytes(sheet.values).buffer);
  const {count, rows, columns, height, width, channels, gap} = sheet;
  const perTile = height * width * channels;
  const pitch = {x: width + gap, y: height + gap};
  const size = {x: columns * pitch.x + gap, y: rows * pitch.y + gap};

  // ---- what is measured of every tile, and what the catalog says of its filter --------------------------
  const MEASURED = {norm: "norm", mean: "mean", std: "standard deviation", min: "smallest", max: "largest"};
  const numbers = {tile: measure(), catalog: fromCatalog()};  // by kind and name, one per tile
  const nameOf = (kind, name) => (kind === "tile" ? MEASURED[name] : name);
  const choices = [null];  // what the menu sorts by, in its order; null is the sheet's own
  let order = inOrder();

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
    return columnsOf;
  }

  function fromCatalog() {
    const {names, rows, row} = sheet.metrics;
    const table = new Float64Array(bytes(rows).buffer), rowOf = new Uint32Array(bytes(row).buffer);
    const column = (number) => Float64Array.from(rowOf, (row) => table[row * names.length + number]);
    return Object.fromEntries(names.map((name, number) => [name, column(number)]));
  }

  // ---- the order of the tiles ---------------------------------------------------------------------------
  function inOrder() { return Uint32Array.from({length: count}, (_, tile) => tile); }

  function sorted(of, upwards) {
    if (!of) return inOrder();
    const sign = upwards ? 1 : -1;
    return inOrder().sort((a, b) => {
      if (Number.isNaN(of[a]) || Number.isNaN(of[b])) return Number.isNaN(of[a]) - Number.isNaN(of[b]) || a - b;
      return sign * (of[a] - of[b]) || a - b;  // what is alike stays in the sheet's order
    });
  }

  const BETWEEN = 0xff6b3b24;  // colour of gaps and empty places: alpha, blue, green, red

  // ---- the picture --------------------------------------------------------------------------------------
  function picture() {
    const canvas = document.createElement("canvas");
    canvas.width = size.x; canvas.height = size.y;
    const context = canvas.getContext("2d");
    const image = context.createImageData(size.x, size.y);
    const pixels = new Uint32Array(image.data.buffer).fill(BETWEEN)
    const table = sheet.colours.map(([r, g, b]) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0);
    for (let place = 0; place < rows * columns; place++) {
      const left = gap + (place % columns) * pitch.x, top = gap + Math.floor(place / columns) * pitch.y;
      let at = place < count ? order[place] * perTile : -1;
      for (let y = 0; y < height; y++) {
        const start = (top + y) * size.x + left;
        for (let x = 0; x < width; x++) {
          if (at < 0) { pixels[start + x] = BETWEEN; continue; }
          pixels[start + x] = channels === 1 ? table[levels[at]]
            : (0xff000000 | (levels[at + 2] << 16) | (levels[at + 1] << 8) | levels[at]) >>> 0;
          at += channels;
        }
      }
    }
    context.putImageData(image, 0, 0);
    return canvas.toDataURL();
  }

  // ---- names --------------------------------------------------------------------------------------------
  const LONGEST = {x: 16, y: 36};  // letters of labels above and at the left
  const short = (text, most) => (text.length > most ? text.slice(0, most / 2) + "…" + text.slice(1 - most / 2) : text);
  const asText = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  function labelOf(tile) {
    if (sheet.tileLabels.length) return sheet.tileLabels[tile];
    const row = sheet.rowLabels[Math.floor(tile / columns)], column = sheet.columnLabels[tile % columns];
    return [row, column].filter((label) => label !== undefined).join(" · ");
  }

  // Which of the sheet's rows each row shows, where they are whole: sorting by filters keeps those of a layer so.
  function rowsShown() {
    const whole = order.every((tile, place) => tile % columns === place % columns
      && tile - order[place - place % columns] === place % columns);
    return whole ? Array.from({length: rows}, (_, row) => order[row * columns] / columns) : [];
  }

  function ticks(labels, axis) {
    const step = pitch[axis];
    const every = Math.ceil(labels.length / 16);
    const chosen = labels.map((text, number) => ({text, number})).filter(({number}) => number % every === 0);
    return {
      tickmode: "array",
      tickvals: chosen.map(({number}) => gap + number * step + (step - gap) / 2 - 0.5),
      ticktext: chosen.map(({text}) => asText(short(text, LONGEST[axis]))),
    };
  }

  // ---- the plot -----------------------------------------------------------------------------------------
  const bare = {showgrid: false, zeroline: false, showline: false, ticks: "", constrain: "domain", automargin: true};
  const plot = element("plot");

  function draw() {
    const trace = {type: "image", source: picture(), hoverinfo: "none", zsmooth: false};
    const shown = rowsShown();
    const rowLabels = sheet.rowLabels.length ? shown.map((row) => sheet.rowLabels[row]) : [];
    const columnLabels = shown.length ? sheet.columnLabels : [];
    const layout = {
      margin: {l: 16, r: 16, t: 16, b: 16},
      dragmode: "pan",
      hovermode: "closest",
      uirevision: "kept",
      xaxis: {...bare, side: "top", range: [-0.5, size.x - 0.5], ...ticks(columnLabels, "x")},
      yaxis: {...bare, range: [size.y - 0.5, -0.5], scaleanchor: "x", ...ticks(rowLabels, "y")},
    };
    const buttons = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"];  // none that sends data
    const config = {scrollZoom: true, displaylogo: false, responsive: true, modeBarButtons: [buttons]};
    return Plotly.react(plot, [trace], layout, config);
  }

  // ---- pointing -----------------------------------------------------------------------------------------
  const tip = element("tip");

  function digits(value) { return Number.isFinite(value) ? String(Number(value.toPrecision(7))) : String(value); }

  function line(name, ...texts) {
    const made = document.createElement("div");
    made.className = name;
    made.append(...texts);
    tip.append(made);
  }

  function lines(kind, tile) {
    for (const [name, of] of Object.entries(numbers[kind])) {
      const value = document.createElement("span");
      value.textContent = Number.isNaN(of[tile]) ? "–" : digits(of[tile]);
      line(of === sortedBy() ? "number chosen" : "number", `${nameOf(kind, name)} `, value);
    }
  }

  // Number of the tile, and of the value in it, along one axis; the gaps belong to the nearest values.
  function within(pixel, pitch, tiles, values) {
    const number = Math.min(Math.max(Math.floor((pixel - gap / 2) / pitch), 0), tiles - 1);
    return [number, Math.min(Math.max(pixel - gap - number * pitch, 0), values - 1)];
  }

  function point({x: pixelX, y: pixelY, bbox: box}, mouse) {
    const [column, x] = within(pixelX, pitch.x, columns, width), [row, y] = within(pixelY, pitch.y, rows, height);
    const place = row * columns + column;
    if (place >= count) { leave(); return; }
    const tile = order[place];
    const name = sheet.addresses[tile] || labelOf(tile) || `tile ${tile}`;
    const at = tile * perTile + (y * width + x) * channels;
    const shown = Array.from(values.subarray(at, at + channels), digits);
    tip.replaceChildren();
    line("name", name);
    const label = labelOf(tile);
    if (label && !`/${name}`.endsWith("/" + label.replace(" · ", "/"))) line("about", label);
    line("value", channels === 1 ? shown[0] : "R " + shown[0] + "  G " + shown[1] + "  B " + shown[2]);
    line("about", `${sheet.known ? "at" : "gray level (0 to 1) at"} row ${y}, column ${x}`);
    lines("tile", tile);
    if (Object.values(numbers.catalog).some((of) => !Number.isNaN(of[tile]))) {
      line("heading", "its filter, in the catalog");
      lines("catalog", tile);
    }
    tip.hidden = false;
    const right = mouse.clientX + 18 + tip.offsetWidth > window.innerWidth;
    const below = mouse.clientY + 18 + tip.offsetHeight > window.innerHeight;
    tip.style.left = `${Math.max(0, right ? mouse.clientX - 18 - tip.offsetWidth : mouse.clientX + 18)}px`;
    tip.style.top = `${Math.max(0, below ? mouse.clientY - 18 - tip.offsetHeight : mouse.clientY + 18)}px`;
    outline(box, pixelX - gap - column * pitch.x, pixelY - gap - row * pitch.y);
  }

  // A frame around the tile in which the value at (x, y) has this box on the page.
  function outline(box, x, y) {
    const step = box.x1 - box.x0, frame = element("frame");  // values are square, and boxes may have no height
    frame.style.left = `${box.x0 - (x + gap / 2) * step}px`;
    frame.style.top = `${(box.y0 + box.y1) / 2 - (y + gap / 2 + 0.5) * step}px`;
    frame.style.width = `${pitch.x * step}px`;
    frame.style.height = `${pitch.y * step}px`;
    frame.hidden = false;
  }

  function leave() { tip.hidden = element("frame").hidden = true; }

  // ---- what stands above --------------------------------------------------------------------------------
  function header() {
    document.title = sheet.title || "filterkit";
    element("title").textContent = sheet.title;
    element("note").textContent = [sheet.note, `${count.toLocaleString("en")} tiles`].filter(Boolean).join(" · ");
    element("sort").append(new Option("place", ""));
    offer("tile", "of each tile");
    offer("catalog", "of its filter, in the catalog");
    if (!sheet.ends || channels > 1) return;
    const context = element("ramp").getContext("2d");
    sheet.colours.forEach(([r, g, b], level) => {
      context.fillStyle = `rgb(${r} ${g} ${b})`;
      context.fillRect(level, 0, 1, 1);
    });
    element("low").textContent = Number(sheet.ends[0].toPrecision(4));
    element("high").textContent = Number(sheet.ends[1].toPrecision(4));
    element("scale").hidden = false;
  }

  function offer(kind, title) {
    const group = document.createElement("optgroup");
    group.label = title;
    for (const name in numbers[kind]) {
      group.append(new Option(nameOf(kind, name)));
      choices.push(numbers[kind][name]);
    }
    if (group.children.length) element("sort").append(group);
  }

  function sortedBy() { return choices[element("sort").selectedIndex]; }

  function resort() {
    order = sorted(sortedBy(), element("upwards").checked);
    leave();
    return draw();
  }

  header();
  draw().then(() => {
    plot.on("plotly_hover", ({points: [found], event}) => point(found, event));
    for (const moved of ["plotly_unhover", "plotly_relayouting", "plotly_relayout"]) plot.on(moved, leave);
    element("sort").addEventListener("change", resort);
    element("upwards").addEventListener("change", resort);
    document.body.dataset.ready = "yes";
  });
})();
