"use strict";
/* Connects the parts of the page: clicks and keys seek the video, and the video updates the rest. */

(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const times = data.time_s;
  const stage = makeStage(data);
  const host = $("charts");
  const timeline = host && makeTimeline(host, data, (time_s) => go(nearest(time_s)));
  let row = 0;

  /* The row of the frame shown at a time. */
  function rowAt(time_s) {
    let low = 0, high = times.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] <= time_s + 0.0005) low = middle; else high = middle;
    }
    return low;
  }

  function nearest(time_s) {
    const before = rowAt(time_s);
    const after = Math.min(before + 1, times.length - 1);
    return time_s - times[before] <= times[after] - time_s ? before : after;
  }

  /* Seek slightly into the frame: at its exact start, browsers may still show the previous one. */
  function go(wanted) {
    const to = Math.max(0, Math.min(times.length - 1, wanted));
    const into = to + 1 < times.length ? Math.min(0.005, (times[to + 1] - times[to]) / 2) : 0.002;
    if (stage) stage.seek(times[to] + into);
    else show(times[to]);
  }

  function show(time_s) {
    row = rowAt(time_s);
    const fact = (name, text) => {
      const value = data.columns[name]?.[row] ?? null;
      return value === null ? [] : [text(value)];
    };
    const area = fact("area_px", (v) => `area ${v.toLocaleString("en").replaceAll(",", "\u202f")} px`);
    const facts = [
      `frame ${data.frame[row]}`,
      ...(area.length ? area : [$("absent")?.textContent]),
      ...fact("movement_px", (v) => `moved ${v.toFixed(1)} px`),
      ...fact("confidence", (v) => `confidence ${v.toFixed(3)}`),
      ...fact("agreement_prev", (v) => `agreement ${v.toFixed(3)}`),
    ];
    if ($("clock")) $("clock").textContent = `${clock(time_s)} / ${clock(times.at(-1))}`;
    if (!timeline) return;
    $("readout").textContent = `${clock(times[row], 2)} · ${facts.join(" · ")}`;
    host.setAttribute("aria-valuenow", times[row]);
    host.setAttribute("aria-valuetext", `${clock(times[row], 2)}, ${facts.join(", ")}`);
    timeline.move(time_s, stage && stage.playing());
  }

  const KEYS = {
    ArrowLeft: (event) => (event.shiftKey ? go(nearest(times[row] - 1)) : go(row - 1)),
    ArrowRight: (event) => (event.shiftKey ? go(nearest(times[row] + 1)) : go(row + 1)),
    PageDown: () => go(nearest(times[row] - 10)),
    PageUp: () => go(nearest(times[row] + 10)),
    Home: () => go(0),
    End: () => go(times.length - 1),
    " ": () => stage && stage.toggle(),
    "+": () => timeline.zoom(2),
    "-": () => timeline.zoom(0.5),
  };

  if (timeline) {
    host.setAttribute("aria-valuemin", times[0]);
    host.setAttribute("aria-valuemax", times.at(-1));
    host.addEventListener("keydown", (event) => {
      const act = KEYS[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act(event);
    });
    $("zoom-in").addEventListener("click", () => timeline.zoom(2));
    $("zoom-out").addEventListener("click", () => timeline.zoom(0.5));
    $("zoom-all").addEventListener("click", timeline.all);
  }
  for (const button of document.querySelectorAll("[data-row]"))
    button.addEventListener("click", () => go(Number(button.dataset.row)));
  if (stage) {
    $("back").addEventListener("click", () => go(row - 1));
    $("forward").addEventListener("click", () => go(row + 1));
    stage.onmove = () => show(stage.time());
  }
  show(times[0]);
})();
