"use strict";
/* The video area: overlay and original on top of each other, in sync, with a slider between them.

   Times are source times in seconds; each video starts at its zero_s. */

function makeStage(data) {
  const $ = (id) => document.getElementById(id);
  const screen = $("screen");
  const main = $("overlay") || $("original");
  if (!main) return null;
  const mainAt = data.overlay || data.original;
  const still = main.tagName === "IMG";
  const moved = () => stage.onmove();
  let wanted = null;  // pending seek target of the main video,
  let asked = null;   // and the target of the seek in progress
  let other = data.overlay && $("original");

  function report(sentence) {
    const item = document.createElement("li");
    item.textContent = sentence;
    $("notes").append(item);
  }

  function giveUpOther() {
    if (!other) return;
    report("The original is not shown: it has been moved, or this browser cannot play it. The overlay is shown alone.");
    other.hidden = true;
    other = null;
    screen.classList.remove("compared");
    for (const part of screen.querySelectorAll("[data-compare]")) part.hidden = true;
  }

  function fit() {
    const aspect = still ? main.naturalWidth / main.naturalHeight : main.videoWidth / main.videoHeight;
    if (aspect > 0) screen.style.setProperty("--aspect", aspect);
  }

  main.addEventListener("error", () => {
    report("The overlay or image is not shown: its file has been moved, or this browser cannot play it.");
    screen.closest(".stage").hidden = true;
  });
  main.addEventListener(still ? "load" : "loadedmetadata", fit);
  main.src = mainAt.url;
  if (other) {
    screen.classList.add("compared");
    other.addEventListener("error", giveUpOther);
    other.src = data.original.url;
    $("wipe").addEventListener("input", (event) =>
      screen.style.setProperty("--share", `${event.target.value}%`));
  }

  /* One seek at a time: Chromium may show the previous frame if a seek is interrupted by another. */
  function goOn() {
    if (wanted === null || main.seeking) return;
    if (wanted === asked) wanted = asked = null;
    else main.currentTime = asked = wanted;
  }

  /* Keep the other video in sync; a small lag is corrected by playing faster or slower. */
  function keepStep() {
    if (!other || other.readyState < 1) return;
    const due = stage.time() - data.original.zero_s;
    const lag = due - other.currentTime;
    if (main.paused || Math.abs(lag) > 0.3) {
      if (Math.abs(lag) > 0.0005 && !other.seeking) other.currentTime = due;
      other.playbackRate = main.playbackRate;
    } else {
      other.playbackRate = main.playbackRate * (1 + Math.max(-0.5, Math.min(0.5, 2 * lag)));
    }
    if (main.paused !== other.paused) main.paused ? other.pause() : other.play().catch(giveUpOther);
  }

  function tick() {
    keepStep();
    moved();
    if (!main.paused) requestAnimationFrame(tick);
  }

  const stage = {
    onmove: () => {},
    time: () => (wanted ?? main.currentTime) + mainAt.zero_s,
    playing: () => !main.paused,
    seek(time_s) {
      wanted = Math.max(0, time_s - mainAt.zero_s);
      goOn();
      keepStep();
      moved();
    },
    toggle() {
      main.paused ? main.play().catch((error) => report(`The video cannot be played: ${error.message}`)) : main.pause();
    },
  };
  if (still) return null;

  main.addEventListener("seeked", goOn);
  main.addEventListener("loadeddata", () => { asked = null; goOn(); });  // seeks before loading fire no event
  for (const name of ["play", "pause", "seeking", "seeked", "ended", "loadeddata"]) main.addEventListener(name, tick);
  if (other) for (const name of ["loadedmetadata", "seeked"]) other.addEventListener(name, keepStep);
  main.addEventListener("play", () => { $("play").textContent = "Pause"; });
  main.addEventListener("pause", () => { $("play").textContent = "Play"; });
  $("play").addEventListener("click", stage.toggle);
  $("speed").addEventListener("change", (event) => { main.playbackRate = Number(event.target.value); keepStep(); });
  if ($("sound")) $("sound").addEventListener("click", (event) => {
    main.muted = !main.muted;
    event.currentTarget.setAttribute("aria-pressed", String(!main.muted));
  });
  return stage;
}
