// Calls of the server; the token is kept here, in memory, and nowhere else.

let token = "";

export const takeToken = () => {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    token = found;
    history.replaceState(null, "", location.pathname);
  }
};

export const setToken = (text) => { token = text.trim(); };

export const hasToken = () => token !== "";

const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

export class Problem extends Error {
  constructor(status, title, detail = "", wait = 0) {
    super(detail ? `${title}: ${detail}` : title);
    Object.assign(this, { status, title, wait });
  }
}

const problemOf = (status, text, wait) => {
  try {
    const { title, detail } = JSON.parse(text);
    return new Problem(status, title, detail, wait);
  } catch {
    return new Problem(status, `The server answered with status ${status}`, "", wait);
  }
};

export const call = async (path, options = {}) => {
  const answer = await fetch(path, { ...options, headers: headers(), cache: "no-store" })
    .catch(() => { throw new Problem(0, "The server cannot be reached"); });
  if (!answer.ok) throw problemOf(answer.status, await answer.text(), 0);
  return answer;
};

export const json = async (path) => (await call(path)).json();

// Sends a file; sent is told the share that has arrived. Gives the answer's JSON.
export const send = (path, file, sent, signal) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();
  request.open("POST", path);
  for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) sent(event.loaded / event.total);
  });
  request.addEventListener("load", () => {
    if (request.status < 300) resolve(JSON.parse(request.responseText));
    else {
      const wait = Number(request.getResponseHeader("Retry-After")) || 0;
      reject(problemOf(request.status, request.responseText, wait));
    }
  });
  request.addEventListener("error", () => reject(new Problem(0, "The server cannot be reached")));
  request.addEventListener("abort", () => reject(new Problem(0, "Cancelled")));
  signal.addEventListener("abort", () => request.abort());
  const form = new FormData();
  form.append("file", file, file.name);
  request.send(form);
});

export const save = async (path, name) => {
  const address = URL.createObjectURL(await (await call(path)).blob());
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
};

export const curl = (path, name) => {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const secret = token ? " -H 'Authorization: Bearer TOKEN'" : "";
  return `curl${secret} -F ${quoted(`file=@${name}`)} ${quoted(location.origin + path)}`;
};
