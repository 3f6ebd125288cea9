// Small ways to build the page and to write numbers.

export const make = (kind, values = {}, ...children) => {
  const found = Object.assign(document.createElement(kind), values);
  found.append(...children);
  return found;
};

export const drawing = (kind, values = {}) => {
  const found = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(values)) found.setAttribute(name, value);
  return found;
};

export const percent = (share) => `${Math.round(100 * share)}%`;

export const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  return `${Math.floor(whole / 60)}:${two(whole % 60)}.${Math.floor(10 * (seconds - whole))}`;
};

export const duration = (seconds) => {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  return seconds < 3600 ? `${Math.ceil(seconds / 60)} min` : `${+(seconds / 3600).toFixed(1)} h`;
};
