"use strict";
(() => {
  const film = document.getElementById("film");
  const slider = document.getElementById("position");
  const clock = document.getElementById("clock");
  const people = JSON.parse(document.getElementById("data").textContent);
  const lines = document.querySelectorAll(".now");
  const hop = Number(document.querySelector("main").dataset.hop);
  const start = Number(slider.min);
  const stop = Number(slider.max);
  let broken = !film;

  const two = (number) => String(number).padStart(2, "0");
  const clockText = (seconds) => {
    const whole = Math.floor(seconds);
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60;
    const tail = `${two(whole % 60)}.${Math.floor(10 * (seconds - whole))}`;
    return hours ? `${hours}:${two(minutes)}:${tail}` : `${minutes}:${tail}`;
  };
  const at = (spans, time) => spans.find((span) => span[0] <= time && time < span[1]);

  const describe = (person, time) => {
    if (person.seen && !at(person.seen, time)) return "not seen here";
    const segment = at(person.segments, time);
    const own = at(person.personal, time);
    const said = (segment ? segment[2] : "nothing clear") + (own ? `, personal: ${own[2]}` : "");
    return at(person.speaks, time) ? `${said}, speaks` : said;
  };

  const show = (time) => {
    const now = Math.min(Math.max(time, start), stop);
    slider.value = now;
    slider.setAttribute("aria-valuetext", clockText(now));
    clock.textContent = clockText(now);
    const share = stop > start ? (100 * (now - start)) / (stop - start) : 0;
    document.documentElement.style.setProperty("--at", `${share}%`);
    people.forEach((person, number) => { lines[number].textContent = describe(person, now); });
  };

  const go = (time) => {
    const now = Math.min(Math.max(time, start), stop);
    if (!broken && film.readyState) film.currentTime = now;
    show(now);
  };

  const follow = () => {
    show(film.currentTime);
    if (!film.paused) requestAnimationFrame(follow);
  };

  if (film) {
    const fail = () => {
      broken = true;
      document.getElementById("trouble").hidden = false;
    };
    if (film.error) fail();
    film.addEventListener("error", fail);
    film.addEventListener("play", follow);
    film.addEventListener("seeked", () => show(film.currentTime));
    film.addEventListener("loadedmetadata", () => {
      if (Number(slider.value) > 0) film.currentTime = Number(slider.value);
    });
  }

  slider.addEventListener("input", () => go(Number(slider.value)));
  slider.addEventListener("keydown", (event) => {
    const by = {
      ArrowLeft: -hop, ArrowDown: -hop, ArrowRight: hop, ArrowUp: hop,
      PageDown: -10 * hop, PageUp: 10 * hop,
    }[event.key];
    if (by !== undefined) go(Number(slider.value) + by);
    else if (event.key === "Home") go(start);
    else if (event.key === "End") go(stop);
    else if (event.key === " " && !broken) film.paused ? film.play() : film.pause();
    else return;
    event.preventDefault();
  });

  document.querySelectorAll(".time").forEach((plot) => {
    const seek = (event) => {
      const box = plot.getBoundingClientRect();
      go(start + ((event.clientX - box.left) / box.width) * (stop - start));
    };
    plot.addEventListener("pointerdown", (event) => {
      plot.setPointerCapture(event.pointerId);
      seek(event);
    });
    plot.addEventListener("pointermove", (event) => { if (event.buttons) seek(event); });
  });

  document.querySelectorAll(".place, .head, .now").forEach((part) => { part.hidden = false; });
  document.documentElement.classList.add("ready");
  show(start);
})();
