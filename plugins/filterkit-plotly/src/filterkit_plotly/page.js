"use strict";
// Draws `tiles` (tiles.js) as one picture, one pixel per value, which plotly displays and zooms.
(function () {
  const {count, columns, height, width, channels, gap, perTile, pitch, levels, values, metrics} = tiles;
  const element = (id) => document.getElementById(id);
  let shown = tiles.arrange(null, false);
  const size = () => ({x: columns * pitch.x + gap, y: shown.rows * pitch.y + gap});

  const BETWEEN = 0xff6b3b24;  // colour of gaps and empty places: alpha, blue, green, red

  // ---- the picture --------------------------------------------------------------------------------------
  function picture() {
    const {x: across, y: down} = size();
    const canvas = document.createElement("canvas");
    canvas.width = across; canvas.height = down;
    const context = canvas.getContext("2d");
    const image = context.createImageData(across, down);
    const pixels = new Uint32Array(image.data.buffer).fill(BETWEEN);
    const table = tiles.colours.map(([r, g, b]) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0);
    shown.places.forEach((tile, place) => {
      if (tile < 0) return;
      const left = gap + (place % columns) * pitch.x, top = gap + Math.floor(place / columns) * pitch.y;
      let at = tile * perTile;
      for (let y = 0; y < height; y++) {
        const start = (top + y) * across + left;
        for (let x = 0; x < width; x++) {
          pixels[start + x] = channels === 1 ? table[levels[at]]
            : (0xff000000 | (levels[at + 2] << 16) | (levels[at + 1] << 8) | levels[at]) >>> 0;
          at += channels;
        }
      }
    });
    context.putImageData(image, 0, 0);
    return canvas.toDataURL();
  }

  // ---- names --------------------------------------------------------------------------------------------
  const narrow = window.innerWidth < 700;
  const LONGEST = {x: 16, y: narrow ? 16 : 36, text: 60};  // characters of labels above and on the left, and of metrics
  const MOST = {x: narrow ? 8 : 16, y: 16};  // labels along a side
  const asText = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const amount = (number) => number.toLocaleString("en");

  function short(text, most) {
    if (text.length <= most) return text;
    const letters = Array.from(text);  // code points: some count twice in a string's length
    return letters.length > most ? [...letters.slice(0, most / 2), "…", ...letters.slice(1 - most / 2)].join("") : text;
  }

  function labelOf(tile) {
    if (tiles.tileLabels.length) return tiles.tileLabels[tile];
    const row = tiles.rowLabels[Math.floor(tile / columns)], column = tiles.columnLabels[tile % columns];
    return [row, column].filter((label) => label !== undefined).join(" · ");
  }

  // The sheet's row that each row shows, if it is complete: sorting by filters keeps the rows of a layer complete.
  function rowsShown() {
    const {places, rows} = shown;
    const whole = places.every((tile, place) => tile < 0
      || (tile % columns === place % columns && tile - places[place - place % columns] === place % columns));
    return whole ? Array.from({length: rows}, (_, row) => places[row * columns] / columns) : [];
  }

  function ticks(labels, axis) {
    const step = pitch[axis];
    const every = Math.ceil(labels.length / MOST[axis]);
    const chosen = labels.map((text, number) => ({text, number})).filter(({number}) => number % every === 0);
    return {
      tickmode: "array",
      tickangle: chosen.every(({text}) => text.length === 1) ? 0 : "auto",
      tickvals: chosen.map(({number}) => gap + number * step + (step - gap) / 2 - 0.5),
      ticktext: chosen.map(({text}) => asText(short(text, LONGEST[axis]))),
    };
  }

  // If the labels of groups would touch, the larger group has one.
  function groupTicks() {
    if (!shown.groups.length) return null;
    const {x: across, y: down} = size();
    const scale = Math.min(plot.clientWidth * 0.7 / across, plot.clientHeight * 0.9 / down);  // labels need space, too
    const middle = ({first, rows}) => (first + rows / 2) * pitch.y + gap / 2 - 0.5;
    const labelled = [];
    for (const group of shown.groups.toSorted((a, b) => b.rows - a.rows)) {
      if (labelled.every((other) => Math.abs(middle(other) - middle(group)) * scale > 12)) labelled.push(group);
    }
    return {
      tickmode: "array",
      tickvals: labelled.map(middle),
      ticktext: labelled.map(({text, tiles}) => `${asText(short(text, LONGEST.y))}  <span style="color:#888">${amount(tiles.length)}</span>`),
    };
  }

  // Lines between groups.
  function borders() {
    const heights = shown.groups.slice(1).map(({first}) => first * pitch.y + gap / 2 - 0.5);
    const path = heights.map((y) => `M 0 ${y} L 1 ${y}`).join(" ");
    return path ? [{type: "path", path, xref: "x domain", line: {color: "#ffa94d", width: 2}}] : [];
  }

  // ---- the plot -----------------------------------------------------------------------------------------
  const bare = {showgrid: false, zeroline: false, showline: false, ticks: "", constrain: "domain", automargin: true};
  const plot = element("plot");

  function draw() {
    const trace = {type: "image", source: picture(), hoverinfo: "none", zsmooth: false};
    const rows = rowsShown();
    const rowLabels = tiles.rowLabels.length ? rows.map((row) => tiles.rowLabels[row]) : [];
    const columnLabels = rows.length ? tiles.columnLabels : [];
    const layout = {
      margin: {l: 16, r: 16, t: narrow ? 44 : 16, b: 16},  // on narrow pages there is no room for the buttons at the side
      dragmode: "pan",
      hovermode: "closest",
      uirevision: shown.rows,  // keeps the zoom if the height of the picture is unchanged
      xaxis: {...bare, side: "top", autorange: true, ...ticks(columnLabels, "x")},
      yaxis: {...bare, autorange: "reversed", scaleanchor: "x", constraintoward: "top", ...(groupTicks() ?? ticks(rowLabels, "y"))},
      shapes: borders(),
    };
    const buttons = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"];  // no button that sends data
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

  function lines(tile, ...kinds) {
    for (const metric of metrics.filter(({kind}) => kinds.includes(kind))) {
      const value = document.createElement("span");
      value.textContent = valueText(metric, tile);
      line(metric === sortedBy() ? "number chosen" : "number", `${metric.name} `, value);
    }
  }

  function valueText({of, words}, tile) {
    if (Number.isNaN(of[tile])) return "–";
    return words ? short(words[of[tile]], LONGEST.text) : digits(of[tile]);
  }

  // Index of the tile, and of the value in it, along one axis; gaps belong to the nearest values.
  function within(pixel, pitch, tiles, values) {
    const number = Math.min(Math.max(Math.floor((pixel - gap / 2) / pitch), 0), tiles - 1);
    return [number, Math.min(Math.max(pixel - gap - number * pitch, 0), values - 1)];
  }

  function point({x: pixelX, y: pixelY, bbox: box}, mouse) {
    const [column, x] = within(pixelX, pitch.x, columns, width), [row, y] = within(pixelY, pitch.y, shown.rows, height);
    const tile = shown.places[row * columns + column];
    if (tile < 0) { leave(); return; }
    const name = tiles.addresses[tile] || labelOf(tile) || `tile ${tile}`;
    const at = tile * perTile + (y * width + x) * channels;
    const parts = Array.from(values.subarray(at, at + channels), digits);
    tip.replaceChildren();
    line("name", name);
    const label = labelOf(tile);
    if (label && !`/${name}`.endsWith("/" + label.replace(" · ", "/"))) line("about", label);
    line("value", channels === 1 ? parts[0] : parts.map((part, number) => `${"RGB"[number]}\u00a0${part}`).join("\u00a0 "));
    line("about", `${tiles.known ? "at" : "gray level (0 to 1) at"} row ${y}, column ${x}`);
    lines(tile, "tile");
    if (metrics.some(({kind, of}) => kind !== "tile" && !Number.isNaN(of[tile]))) {
      line("heading", "its filter, in the catalog");
      lines(tile, "text", "number");
    }
    tip.hidden = false;
    outline(box, pixelX - gap - column * pitch.x, pixelY - gap - row * pitch.y);
    beside(mouse);
  }

  // Places the hover text near the pointer but beside the framed tile, as long as the window has room.
  function beside({clientX, clientY}) {
    tip.style.left = tip.style.top = 0;  // so that its position does not limit its width
    const tile = element("frame").getBoundingClientRect();
    const across = {at: clientX, low: tile.left, high: tile.right, long: tip.offsetWidth, end: document.documentElement.clientWidth};
    const down = {at: clientY, low: tile.top, high: tile.bottom, long: tip.offsetHeight, end: window.innerHeight};
    const outside = ({low, high, long, end}) => [high + 8, low - 8 - long].find((start) => start >= 0 && start + long <= end);
    const near = ({at, long, end}) => Math.max(0, at + 18 + long <= end ? at + 18 : at - 18 - long >= 0 ? at - 18 - long : end - long);
    const right = outside(across);
    tip.style.left = `${right ?? near(across)}px`;
    tip.style.top = `${(right === undefined ? outside(down) : undefined) ?? near(down)}px`;
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

  // ---- header -------------------------------------------------------------------------------------------
  function header() {
    document.title = tiles.title || "filterkit";
    element("title").textContent = tiles.title;
    element("note").textContent = [tiles.note, `${amount(count)} tiles`].filter(Boolean).join(" · ");
    element("sort").append(new Option("place", ""));
    offer("tile", "of each tile");
    offer("text", "of its filter, in groups");
    offer("number", "of its filter, in the catalog");
    if (!tiles.ends || channels > 1) return;
    const context = element("ramp").getContext("2d");
    tiles.colours.forEach(([r, g, b], level) => {
      context.fillStyle = `rgb(${r} ${g} ${b})`;
      context.fillRect(level, 0, 1, 1);
    });
    element("low").textContent = Number(tiles.ends[0].toPrecision(4));
    element("high").textContent = Number(tiles.ends[1].toPrecision(4));
    element("scale").hidden = false;
  }

  function offer(kind, title) {
    const group = document.createElement("optgroup");
    group.label = title;
    for (const metric of metrics.filter((each) => each.kind === kind)) group.append(new Option(metric.name));
    if (group.children.length) element("sort").append(group);
  }

  function sortedBy() { return metrics[element("sort").selectedIndex - 1]; }  // the first is the sheet's own order

  function resort() {
    element("direction").textContent = sortedBy()?.words ? "reversed" : "smallest first";
    shown = tiles.arrange(sortedBy(), element("reverse").checked);
    leave();
    return draw();
  }

  header();
  draw().then(() => {
    plot.on("plotly_hover", ({points: [found], event}) => point(found, event));
    for (const moved of ["plotly_unhover", "plotly_relayouting", "plotly_relayout"]) plot.on(moved, leave);
    element("sort").addEventListener("change", resort);
    element("reverse").addEventListener("change", resort);
    document.body.dataset.ready = "yes";
  });
})();
