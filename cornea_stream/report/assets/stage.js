"use strict";
/* The picture: overlay and original on top of each other, in step, with a seam between them.

   Times are the source's, in seconds; each video's own clock starts at its zero_s. */

function makeStage(data) {
  const $ = (id) => document.getElementById(id);
  const screen = $("screen");
  const main = $("overlay") || $("original");
  if (!main) return null;
  const mainAt = data.overlay || data.original;
  const still = main.tagName === "IMG";
  const moved = () => stage.onmove();
  let wanted = null;  // where to seek to, until the main video is there,
  let asked = null;   // and where it was last sent
  let other = data.overlay && $("original");

  function tell(sentence) {
    const item = document.createElement("li");
    item.textContent = sentence;
    $("notes").append(item);
  }

  function giveUpOther() {
    if (!other) return;
    tell("The original is not shown: it has been moved, or this browser does not play it; the overlay is shown alone.");
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
    tell("The picture is not shown: its file is not beside this page, or this browser does not play it.");
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

  /* One seek at a time: Chromium may show the frame before when it is sent on while it seeks. */
  function goOn() {
    if (wanted === null || main.seeking) return;
    if (wanted === asked) wanted = asked = null;
    else main.currentTime = asked = wanted;
  }

  /* Where the other video should be now; a small lag is caught up by playing faster or slower. */
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
      main.paused ? main.play().catch((error) => tell(`The video does not play: ${error.message}`)) : main.pause();
    },
  };
  if (still) return null;

  main.addEventListener("seeked", goOn);
  main.addEventListener("loadeddata", () => { asked = null; goOn(); });  // asked for before: not told of
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
