// A result: the verdict, the player with boxes, everyone's curves in step, downloads.

import { curl, save } from "./api.js";
import { clock, drawing, make, percent } from "./parts.js";

const NAMES = {
  html: "Page (HTML)", vtt: "Subtitles (VTT)", eaf: "ELAN", TextGrid: "Praat (TextGrid)",
  json: "JSON", "annotated.mp4": "Video with boxes",
};

const PERSONAL = "The dashed curves are personal: the same scores, read against how this person usually looks and sounds.";

export const show = ({ prediction, timeline, record, clip, model }) => {
  const view = make("section", { className: "result" });
  view.append(make("h2", { textContent: clip.file.name }));
  const address = URL.createObjectURL(clip.file);
  if (prediction) picture(view, prediction, address, model);
  else film(view, timeline, clip.file, address, model);
  view.append(actions(record, clip, prediction ? "/v1/predict" : "/v1/jobs"));
  const { remove } = view;
  view.remove = () => { URL.revokeObjectURL(address); remove.call(view); };
  return view;
};

const colour = (model, label) => `c${model.colours[label] ?? 0}`;

// The labels that lead: one, or two between which the scores do not decide.
const leading = (model, scores) => {
  const [first, second] = Object.entries(scores).sort((one, other) => other[1] - one[1]);
  return second && first[1] - second[1] < model.undecided_margin ? [first[0], second[0]] : [first[0]];
};

const undecided = (labels) => `undecided between ${labels.join(" and ")}`;

const picture = (view, prediction, address, model) => {
  const image = make("img", { src: address, alt: "The picture" });
  const { box, picture_size: size } = prediction.evidence;
  const canvas = make("canvas");
  if (box) image.addEventListener("load", () => draw(canvas, size, [{ box, name: "" }]));
  view.append(make("div", { className: "screen" }, image, canvas), verdict(prediction, model));
};

const verdict = (prediction, model) => {
  const found = make("div");
  if (!prediction.scores) {
    const why = Object.entries(prediction.missing).map((pair) => pair.join(": ")).join(", ");
    found.append(make("p", { className: "answer", textContent: "Nothing to score" }), make("p", { textContent: why }));
    return found;
  }
  const labels = leading(model, prediction.scores);
  const decided = labels.length === 1 || prediction.abstained;
  const word = prediction.abstained ? `unsure: ${prediction.emotion}` : prediction.emotion;
  found.append(make("p", {
    className: `answer ${decided ? colour(model, prediction.emotion) : ""}`, textContent: decided ? word : undecided(labels),
  }));
  found.append(bars(prediction.scores, model));
  return found;
};

const bars = (scores, model) => {
  const body = make("tbody");
  for (const [label, share] of Object.entries(scores)) {
    const bar = make("span", { className: colour(model, label) });
    bar.style.width = percent(share);
    body.append(make("tr", {},
      make("th", { scope: "row", textContent: label }),
      make("td", { className: "track" }, bar),
      make("td", { textContent: percent(share) })));
  }
  return make("table", { className: "bars" }, make("caption", { className: "away", textContent: "Scores" }), body);
};

const film = (view, timeline, file, address, model) => {
  const [text, label] = summary(timeline);
  view.append(make("p", { className: `answer ${label ? colour(model, label) : ""}`, textContent: text }));
  const player = new Player(timeline, file, address);
  view.append(player.element);
  const people = timeline.people.map((person) => person.id);
  if (timeline.windows.some((row) => row.person === null && row.scores)) people.push(null);
  const cards = people.map((id) => new Card(timeline, id, model, player));
  if (timeline.windows.some((row) => row.personal)) view.append(make("p", { className: "about", textContent: PERSONAL }));
  view.append(legend(timeline.labels, model), ...cards.map((card) => card.element));
  player.follow((time) => cards.forEach((card) => card.at(time)));
  player.portraits(cards);
};

// The verdict on who is seen longest, and its label if it is decided.
const summary = (timeline) => {
  const { people } = timeline;
  if (!people.length) {
    const found = longest(timeline, null);
    return found ? [`A voice: ${found[0]}`, found[1]] : ["Nobody is seen or heard", null];
  }
  const [first] = [...people].sort((one, other) => other.seconds_seen - one.seconds_seen);
  const more = people.length > 1 ? `, and ${people.length - 1} more` : "";
  const [words, label] = longest(timeline, first.id) ?? ["nothing to score", null];
  return [`${name(first.id)}: ${words}${more}`, label];
};

// What somebody, or a voice of no one in view, shows for most of the time.
const longest = ({ segments }, id) => {
  const found = new Map();
  for (const { person, emotion, undecided: other, start_seconds: start, stop_seconds: stop } of segments) {
    if (person !== id) continue;
    const key = other ? [emotion, other].sort().join("\n") : emotion;
    const before = found.get(key) ?? { seconds: 0, words: other ? undecided([emotion, other]) : `mostly ${emotion}` };
    found.set(key, { ...before, seconds: before.seconds + stop - start, label: other ? null : emotion });
  }
  const [most] = [...found.values()].sort((one, other) => other.seconds - one.seconds);
  return most && [most.words, most.label];
};

const name = (id) => (id === null ? "A voice of no one in view" : `Person ${id}`);

const legend = (labels, model) => make("ul", { className: "legend" }, ...labels.map((label) => (
  make("li", {}, make("span", { className: `swatch ${colour(model, label)}` }), label))));

// The film with boxes, and a position that works where the browser cannot play it.
class Player {
  constructor(timeline, file, address) {
    const { start_seconds: start, stop_seconds: stop, hop_seconds: hop } = timeline;
    Object.assign(this, { timeline, start, stop, watchers: [], address });
    const seen = timeline.people.length > 0 || file.type.startsWith("video/");
    this.media = make(seen ? "video" : "audio", { src: address, controls: true, preload: "auto" });
    this.media.setAttribute("aria-label", file.name);
    this.canvas = make("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.trouble = make("p", { className: "trouble", hidden: true });
    this.slider = make("input", { type: "range", min: start, max: stop, step: "any", value: start });
    this.slider.setAttribute("aria-label", "Position");
    this.output = make("output", { textContent: clock(start) });
    this.element = make("div", {},
      make("div", { className: "screen" }, this.media, this.canvas), this.trouble,
      make("div", { className: "place" }, this.slider, this.output));
    this.media.addEventListener("error", () => this.#lacks("This browser cannot play the file. The curves work without it."));
    this.media.addEventListener("loadedmetadata", () => {
      this.media.classList.toggle("sound", !this.media.videoWidth);
      if (timeline.people.length && !this.media.videoWidth) this.#lacks("This browser plays the sound of the file, but cannot show its pictures.");
    });
    this.media.addEventListener("play", () => this.#tick());
    this.media.addEventListener("seeked", () => this.tell(this.media.currentTime));
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.slider.addEventListener("keydown", (event) => this.#step(event, hop / 2));
  }

  #lacks(what) {
    Object.assign(this.trouble, { textContent: what, hidden: false });
    this.canvas.hidden = true;
  }

  #step(event, by) {
    const now = Number(this.slider.value);
    const time = {
      ArrowLeft: now - by, ArrowDown: now - by, ArrowRight: now + by, ArrowUp: now + by,
      PageDown: now - 10 * by, PageUp: now + 10 * by, Home: this.start, End: this.stop,
    }[event.key];
    if (time === undefined) return;
    event.preventDefault();
    this.go(Math.min(Math.max(time, this.start), this.stop));
  }

  follow(watcher) { this.watchers.push(watcher); this.tell(this.start); }

  go(time) {
    if (!this.media.error && this.media.readyState) this.media.currentTime = time;
    this.tell(time);
  }

  tell(time) {
    const now = Math.min(Math.max(time, this.start), this.stop);
    this.slider.value = now;
    this.slider.setAttribute("aria-valuetext", clock(now));
    this.output.textContent = clock(now);
    this.element.parentElement?.style.setProperty("--at", percentOf(now, this.start, this.stop));
    this.#boxes(now);
    this.watchers.forEach((watcher) => watcher(now));
  }

  #tick() {
    this.tell(this.media.currentTime);
    if (!this.media.paused) requestAnimationFrame(() => this.#tick());
  }

  #boxes(now) {
    const frames = this.timeline.frames ?? [];
    const near = new Map();
    for (const frame of frames) {
      const away = Math.abs(frame.time_seconds - now);
      const known = near.get(frame.person);
      if (away < 0.3 && (!known || away < known.away)) near.set(frame.person, { ...frame, away });
    }
    const shown = [...near.values()];
    const size = (shown[0] ?? frames[0])?.picture_size;
    if (size) draw(this.canvas, size, shown.map((frame) => ({ box: frame.box, name: name(frame.person) })));
  }

  // Each person's clearest face, cut from the film.
  async portraits(cards) {
    const film = make("video", { src: this.address, muted: true, preload: "auto" });
    const happens = (kind) => new Promise((done, fail) => {
      film.addEventListener(kind, done, { once: true });
      film.addEventListener("error", fail, { once: true });
    });
    try {
      await happens("loadeddata");
      if (!film.videoWidth) return;
      for (const card of cards) {
        const best = (this.timeline.frames ?? []).filter((frame) => frame.person === card.id)
          .sort((one, other) => clarity(other) - clarity(one))[0];
        if (!best) continue;
        film.currentTime = best.time_seconds;
        await happens("seeked");
        card.portrait(film, best);
      }
    } catch {
      // the browser cannot play it, which the player says
    }
  }
}

const clarity = ({ box, quality }) => (box[2] - box[0]) * (box[3] - box[1]) * (quality ?? 0);

const percentOf = (time, start, stop) => `${stop > start ? (100 * (time - start)) / (stop - start) : 0}%`;

const draw = (canvas, [width, height], boxes) => {
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  const line = Math.max(2, width / 250);
  Object.assign(pen, { lineWidth: line, strokeStyle: "#fff", font: `${8 * line}px system-ui`, fillStyle: "#fff" });
  Object.assign(pen, { shadowColor: "#000", shadowBlur: 2 * line });
  for (const { box: [left, top, right, bottom], name: text } of boxes) {
    pen.strokeRect(left, top, right - left, bottom - top);
    pen.fillText(text, left, Math.max(8 * line, top - 2 * line));
  }
};

// What is shown of a person twice: plain, and against the person's own baseline.
const READINGS = [
  { kind: "plain", scores: (row) => row.scores?.scores, of: (row) => row, shares: "shares", segments: "segments" },
  { kind: "personal", scores: (row) => row.personal?.scores, of: (row) => row.personal, shares: "personal_shares", segments: "personal_segments" },
];

// One person: face, what is shown now, curves.
class Card {
  constructor(timeline, id, model, player) {
    const windows = timeline.windows.filter((row) => row.person === id && row.scores);
    Object.assign(this, { timeline, id, model, player, windows });
    this.person = timeline.people.find((each) => each.id === id);
    const about = this.person ? this.#presence() : "Speech that was attributed to no one in view.";
    this.head = make("div", { className: "head" }, make("div", {},
      make("h3", { textContent: name(id) }), make("p", { className: "about", textContent: about })));
    const found = READINGS.filter((each) => each.kind === "plain" || this.#differs(each));
    this.readings = found.map((each) => ({ ...each, now: make("span", { className: "now" }) }));
    this.head.querySelector(".about").append(this.#lacking());
    this.element = make("article", { className: "person" }, this.head,
      make("div", { className: "readings" }, ...this.readings.map((each) => this.#drawn(each, found.length > 1))));
    this.at(player.start);
  }

  #presence() {
    const { seconds_seen: seen, seconds_speaking: speaks } = this.person;
    return `Seen for ${seen.toFixed(1)} s, speaking for ${speaks.toFixed(1)} s.`;
  }

  #differs({ scores }) {
    return this.windows.some((row) => scores(row) && this.timeline.labels.some((label) => scores(row)[label] !== row.scores.scores[label]));
  }

  // Why there are no personal curves.
  #lacking() {
    if (this.timeline.personal === null || this.readings.length > 1) return "";
    const reasons = this.model.personal_reasons;
    if (this.windows.some((row) => row.personal)) return ` Personal: the same, since ${reasons.unchanged}.`;
    const counts = {};
    for (const { personal_reason: code } of this.windows) counts[code] = (counts[code] ?? 0) + 1;
    const [most] = Object.keys(counts).sort((one, other) => counts[other] - counts[one]);
    return ` No personal curves: ${reasons[most ?? "nothing_scored"]}.`;
  }

  #drawn(reading, named) {
    const curves = make("div", { className: `curves ${reading.kind}` }, this.#curves(reading), make("i", { className: "hand" }));
    curves.addEventListener("click", (event) => this.#seek(event, curves));
    const title = make("h4", { textContent: named ? `${reading.kind} ` : "" }, reading.now);
    return make("div", {}, title, make("p", { className: "about", textContent: this.#shares(reading) }), curves);
  }

  #shares(reading) {
    if (!this.person) return "";
    const most = Object.entries(this.person[reading.shares]).sort((one, other) => other[1] - one[1])
      .filter(([, share]) => share >= 0.005).slice(0, 3);
    const text = most.map(([label, share]) => `${label} ${percent(share)}`).join(", ");
    return text ? `Share of the time: ${text}.` : "Nothing could be scored.";
  }

  at(time) {
    const covers = this.windows.filter((row) => row.start_seconds <= time && time < row.stop_seconds);
    const middle = (row) => Math.abs((row.start_seconds + row.stop_seconds) / 2 - time);
    const [row] = covers.sort((one, other) => middle(one) - middle(other));
    for (const { now, of, scores } of this.readings) {
      const answer = row && of(row);
      const labels = answer ? leading(this.model, scores(row)) : [];
      const decided = answer ? `${answer.emotion} ${percent(answer.confidence)}` : "nothing here";
      now.textContent = labels.length > 1 ? undecided(labels) : decided;
    }
  }

  portrait(film, { box: [left, top, right, bottom], picture_size: [width] }) {
    const canvas = make("canvas", { className: "face", width: 128, height: 128, role: "img" });
    canvas.setAttribute("aria-label", `Face of ${name(this.id)}`);
    const scale = film.videoWidth / width;
    const side = 1.2 * Math.max(right - left, bottom - top) * scale;
    const x = ((left + right) / 2) * scale - side / 2;
    const y = ((top + bottom) / 2) * scale - side / 2;
    canvas.getContext("2d").drawImage(film, x, y, side, side, 0, 0, 128, 128);
    this.head.prepend(canvas);
  }

  #seek(event, curves) {
    const { left, width } = curves.getBoundingClientRect();
    const { start, stop } = this.player;
    this.player.go(start + ((event.clientX - left) / width) * (stop - start));
  }

  #curves(reading) {
    const { start, stop } = this.player;
    const { labels, hop_seconds: hop } = this.timeline;
    const svg = drawing("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": this.#spoken(reading) });
    const across = (time) => (1000 * (time - start)) / Math.max(stop - start, 1e-9);
    for (const label of labels) {
      let path = "";
      let before = null;
      for (const row of this.windows) {
        const scores = reading.scores(row);
        if (!scores) continue;
        const y = 97 - 94 * scores[label];
        const goesOn = before && row.start_seconds - before.start_seconds < 2 * hop;
        if (before && !goesOn) path += `H${across(before.stop_seconds)}`;
        if (!goesOn) path += `M${across(row.start_seconds)} ${y}`;
        path += `L${across((row.start_seconds + row.stop_seconds) / 2)} ${y}`;
        before = row;
      }
      if (before) path += `H${across(before.stop_seconds)}`;
      if (path) svg.append(drawing("path", { d: path, class: colour(this.model, label) }));
    }
    return svg;
  }

  #spoken(reading) {
    const segments = (this.timeline[reading.segments] ?? []).filter((each) => each.person === this.id);
    const told = segments.map((each) => `${each.undecided ? undecided([each.emotion, each.undecided]) : each.emotion} from ${clock(each.start_seconds)} to ${clock(each.stop_seconds)}`);
    return `${name(this.id)}, ${reading.kind}: ${told.join(", ") || "nothing clear"}`;
  }
}

const actions = (record, clip, path) => {
  const said = make("span", { role: "status" });
  const stem = clip.file.name.replace(/\.[^.]*$/, "");
  const button = (text, act) => {
    const found = make("button", { type: "button", textContent: text });
    found.addEventListener("click", async () => {
      try { said.textContent = (await act()) ?? ""; } catch (problem) { said.textContent = problem.message; }
    });
    return found;
  };
  const row = (kinds) => make("p", { className: "buttons downloads" }, ...kinds.map((kind) => (
    button(NAMES[kind] ?? kind, () => save(record.results[kind], `${stem}.${kind}`)))));
  const kinds = Object.keys(record?.results ?? {});
  const tables = kinds.filter((kind) => !(kind in NAMES));
  const main = row(Object.keys(NAMES).filter((kind) => kinds.includes(kind)));
  main.append(button("Copy as curl", async () => {
    const text = curl(path, clip.file.name);
    try { await navigator.clipboard.writeText(text); return "Copied."; } catch { return text; }
  }));
  const found = make("div", {}, make("h3", { textContent: kinds.length ? "Download" : "From a terminal" }), main, said);
  if (tables.length) found.append(make("details", {}, make("summary", { textContent: "Tables" }), row(tables)));
  return found;
};
