// The page: chosen clips are sent one after another, followed, and shown.

import { Problem, call, hasToken, json, save, send, setToken, takeToken } from "./api.js";
import { openCamera } from "./camera.js";
import { duration, make } from "./parts.js";
import { show } from "./result.js";

const LOOK = 700; // milliseconds between looks at a job
const FILM = "/v1/jobs?frames=true&personal=true";
const byId = (id) => document.getElementById(id);
const waiting = [];
let model = null;
let busy = false;

const say = (text) => { byId("said").textContent = text; };
const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

const enter = async () => {
  try {
    model = await json("/v1/models");
    byId("entrance").hidden = true;
    const { keep_seconds: keep } = model.limits;
    byId("kept").textContent = "Clips are deleted as soon as they are analysed; results after "
      + `${duration(keep)}, or when you delete them.`;
    next();
  } catch (problem) {
    if (problem.status !== 401) say(problem.message);
    else byId("entrance").hidden = false;
  }
};

// A line of the queue and what can be done about it.
const lineOf = (file) => {
  const state = make("span", { className: "state", textContent: "waiting" });
  const bar = make("progress", { max: 1, value: 0, hidden: true, ariaLabel: `Progress of ${file.name}` });
  const buttons = make("span", { className: "buttons" });
  const item = make("li", {}, make("span", { className: "name", textContent: file.name }), buttons, state, bar);
  byId("queue").append(item);
  return { item, state, bar, buttons };
};

const button = (text, label, act) => {
  const found = make("button", { type: "button", textContent: text, ariaLabel: label });
  found.addEventListener("click", act);
  return found;
};

const add = (files) => {
  for (const file of files) {
    const clip = { file, line: lineOf(file), stop: new AbortController(), job: null };
    clip.line.buttons.append(button("Cancel", `Cancel ${file.name}`, () => remove(clip)));
    waiting.push(clip);
  }
  next();
};

const remove = async (clip) => {
  clip.stop.abort();
  if (waiting.includes(clip)) waiting.splice(waiting.indexOf(clip), 1);
  clip.line.item.remove();
  if (clip.view) clip.view.remove();
  try {
    if (clip.job) await call(clip.job, { method: "DELETE" });
    say(`${clip.file.name}: deleted`);
  } catch (problem) {
    say(problem.status === 404 ? `${clip.file.name}: deleted` : problem.message);
  }
};

const next = async () => {
  if (busy || !model || !waiting.length) return;
  busy = true;
  const clip = waiting.shift();
  try {
    await analyse(clip);
  } catch (problem) {
    if (problem.status === 401) {
      waiting.unshift(clip);
      model = null;
      byId("entrance").hidden = false;
    } else fail(clip, problem);
  }
  busy = false;
  next();
};

const fail = (clip, problem) => {
  if (clip.stop.signal.aborted) return;
  clip.line.bar.hidden = true;
  clip.line.state.textContent = problem.message;
  clip.line.state.classList.add("failed");
  clip.line.buttons.replaceChildren(button("Remove", `Remove ${clip.file.name}`, () => remove(clip)));
  say(`${clip.file.name}: ${problem.title ?? problem.message}`);
};

const analyse = async (clip) => {
  const isPicture = clip.file.type.startsWith("image/");
  const answer = await sent(clip, isPicture ? "/v1/predict" : FILM);
  const found = isPicture ? { prediction: answer } : await followed(clip, answer);
  const view = show({ ...found, clip, model });
  clip.view = view;
  byId("result").prepend(view);
  clip.line.bar.hidden = true;
  clip.line.state.textContent = "done";
  clip.line.buttons.replaceChildren(
    button("Show", `Show ${clip.file.name}`, () => view.scrollIntoView({ behavior: "smooth" })),
    button("Delete", `Delete ${clip.file.name}`, () => remove(clip)),
  );
  say(`${clip.file.name}: done`);
};

// Sends a clip; waits where the server is busy.
const sent = async (clip, path) => {
  const { bar, state } = clip.line;
  bar.hidden = false;
  for (;;) {
    state.textContent = "sending";
    try {
      return await send(path, clip.file, (share) => {
        bar.value = share;
        if (share === 1) { state.textContent = "sent"; bar.removeAttribute("value"); }
      }, clip.stop.signal);
    } catch (problem) {
      if (problem.status !== 429) throw problem;
      state.textContent = "the server is busy: waiting";
      await pause(1000 * (problem.wait || 5));
      if (clip.stop.signal.aborted) throw new Problem(0, "Cancelled");
    }
  }
};

const followed = async (clip, first) => {
  clip.job = `/v1/jobs/${first.id}`;
  const { bar, state } = clip.line;
  let record = first;
  while (record.state === "queued" || record.state === "running") {
    const { done_seconds: done, total_seconds: total, seconds_left: left } = record.progress;
    if (total) bar.value = Math.min(1, done / total); else bar.removeAttribute("value");
    state.textContent = record.state === "queued" ? "waiting for a worker"
      : left === null ? "analysing" : `analysing, ${duration(left)} left`;
    await pause(LOOK);
    if (clip.stop.signal.aborted) throw new Problem(0, "Cancelled");
    record = await json(clip.job);
  }
  if (record.problem) throw new Problem(record.problem.status, record.problem.title, record.problem.detail);
  return { record, timeline: await json(record.results.json) };
};

const drop = byId("drop");
for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) {
  drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.remove("over"); });
}
drop.addEventListener("drop", (event) => add(event.dataTransfer.files));
byId("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
byId("record").addEventListener("click", () => openCamera((file) => add([file]), say));
byId("reference").addEventListener("click", (event) => {
  if (!hasToken()) return;
  event.preventDefault(); // a link sends no token
  save("/docs", "facevoice-api.html").catch((problem) => say(problem.message));
});
byId("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  setToken(byId("token").value);
  byId("token").value = "";
  await enter();
  byId("token-trouble").hidden = byId("entrance").hidden;
});

takeToken();
enter();
