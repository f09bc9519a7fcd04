"use strict";
/* The timeline: one uPlot chart per measurement on a shared time axis, with a playhead. */

const CHARTS = [
  { name: "area_px", title: "Area", unit: "px", range: (low, high) => [0, high * 1.05 || 1] },
  { name: "movement_px", title: "Centroid movement", unit: "px per frame", range: (low, high) => [0, high * 1.05 || 1] },
  { name: "confidence", title: "Confidence", unit: "mean probability in the mask", range: belowOne },
  { name: "agreement_prev", title: "Agreement with the previous frame", unit: "IoU", range: belowOne },
];

/* Fits on A4 and US Letter. */
const PRINT_WIDTH = 680;

function belowOne(low) {
  return [Math.max(0, Math.min(0.9, Math.floor(low * 10) / 10)), 1];
}

function clock(time_s, digits = 1) {
  const unit = 10 ** digits;
  const whole = Math.floor(time_s * unit + 1e-6);
  const seconds = (whole % (60 * unit)) / unit;
  const minutes = Math.floor(whole / (60 * unit));
  const text = seconds.toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return minutes < 60 ? `${minutes}:${text}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${text}`;
}

/* Draw into `host`; call seek(time_s) on clicks. */
function makeTimeline(host, data, seek) {
  const times = data.time_s;
  const shown = CHARTS.filter((chart) => data.columns[chart.name]);
  const first = times[0];
  const frame_s = times.length > 1 ? (times.at(-1) - first) / (times.length - 1) : 0;
  const last = times.at(-1) + frame_s;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let now = first;

  function shade(plot) {
    const { left, top, width, height } = plot.bbox;
    const context = plot.ctx;
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    for (const [stretches, name] of [[data.absent_s, "--absent"], [data.damaged_s, "--damaged"]]) {
      context.fillStyle = color(name);
      for (const [from, to] of stretches) {
        const x = plot.valToPos(from, "x", true);
        context.fillRect(x, top, Math.max(2 * devicePixelRatio, plot.valToPos(to, "x", true) - x), height);
      }
    }
    context.restore();
  }

  function makePlot(chart, index) {
    const box = document.createElement("div");
    box.className = "chart";
    const title = document.createElement("h3");
    const unit = document.createElement("small");
    title.textContent = chart.title;
    unit.textContent = chart.unit;
    title.append(unit);
    box.append(title);
    host.append(box);

    const values = data.columns[chart.name].filter((value) => value !== null);
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const lowest = index === shown.length - 1;
    const axis = {
      stroke: () => color("--muted"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: () => color("--line"), width: 1 },
      ticks: { stroke: () => color("--line"), width: 1, size: 4 },
    };
    const compact = new Intl.NumberFormat("en", { notation: "compact" });
    const plot = new uPlot({
      width: host.clientWidth,
      height: lowest ? 108 : 84,
      padding: [6, 18, lowest ? 0 : 6, 0],
      legend: { show: false },
      cursor: {
        y: false,
        sync: { key: "timeline" },
        drag: { x: true, y: false, setScale: true, dist: 6 },
        points: { size: 7 },
      },
      scales: {
        x: { time: false, range: (plot, from, to) => [Math.max(first, from), to >= times.at(-1) ? last : to] },
        y: { range: chart.range(low, high) },
      },
      axes: [
        { ...axis, size: lowest ? 30 : 0, ticks: { ...axis.ticks, show: lowest },
          incrs: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200],
          values: (plot, splits, _, __, step) => splits.map((value) => lowest ? clock(value, step < 0.1 ? 2 : step < 1 ? 1 : 0) : "") },
        { ...axis, size: 54, space: 24, values: (plot, splits) => splits.map((value) => compact.format(value)) },
      ],
      series: [
        {},
        { stroke: () => color("--accent"), fill: () => color("--accent-soft"), width: 1.4, points: { show: times.length < 3 } },
      ],
      hooks: {
        drawClear: [shade],
        setScale: [(plot, key) => { if (key === "x") mark(plot); }],
        setSize: [(plot) => mark(plot)],
      },
    }, [times, data.columns[chart.name]], box);

    const at = (event) => plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x");
    plot.over.addEventListener("click", (event) => seek(at(event)));
    plot.over.addEventListener("pointermove", (event) => { if (event.pointerType === "touch") seek(at(event)); });
    const playhead = document.createElement("div");
    playhead.className = "playhead";
    plot.over.append(playhead);
    return plot;
  }

  function mark(plot) {
    const playhead = plot.over.querySelector(".playhead");
    if (!playhead) return;
    const left = plot.valToPos(now, "x");
    playhead.style.transform = `translateX(${left}px)`;
    playhead.hidden = left < 0 || left > plot.over.clientWidth;
  }

  const plots = shown.map(makePlot);
  const view = () => [plots[0].scales.x.min, plots[0].scales.x.max];
  function look(from, to) {
    const width = Math.min(to - from, last - first);
    const left = Math.max(first, Math.min(from, last - width));
    for (const plot of plots) plot.setScale("x", { min: left, max: left + width });
  }
  const redraw = () => plots.forEach((plot) => plot.redraw(false, true));
  const root = document.documentElement;
  const fit = () => {
    const width = root.hasAttribute("data-printing") ? PRINT_WIDTH : host.clientWidth;
    plots.forEach((plot) => plot.setSize({ width, height: plot.height }));
  };
  const prints = (on) => {
    root.toggleAttribute("data-printing", on);
    fit();
    redraw();
  };
  new ResizeObserver(fit).observe(host);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => prints(true));
  addEventListener("afterprint", () => prints(false));

  return {
    /* Move the playhead; a zoomed view scrolls by whole pages during playback. */
    move(time_s, playing) {
      now = time_s;
      const [from, to] = plots.length ? view() : [first, last];
      if (playing && (now < from || now > to)) look(now, now + to - from);
      plots.forEach(mark);
    },
    zoom(factor) {
      const [from, to] = view();
      const width = Math.max(10 * frame_s, (to - from) / factor);
      const middle = now >= from && now <= to ? now : (from + to) / 2;
      look(middle - width / 2, middle + width / 2);
    },
    all: () => look(first, last),
  };
}
