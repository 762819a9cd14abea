// What the page holds packed, and what its address says.

document.getElementById("too-old").hidden = "DecompressionStream" in window;

/** The text that the page holds packed (gzip in base64). */
async function unpack(id) {
  const text = atob(document.getElementById(id).textContent);
  const packed = new Uint8Array(text.length);
  // Not Uint8Array.from(text, ...): a call for every character of a megabyte visibly delays the first plot.
  for (let place = 0; place < text.length; place++) packed[place] = text.charCodeAt(place);
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

async function unpackJson(id) {
  return JSON.parse(await unpack(id));
}

/** An element with these properties and children. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function splitHash() {
  const [place, choices = ""] = location.hash.slice(1).split("?");
  return { place, choices: new URLSearchParams(choices) };
}

/** The place in the page, and the reader's choices: a link to the address shows the same again. */
const address = splitHash();

function writeAddress() {
  const choices = address.choices.toString();
  history.replaceState(null, "", `#${address.place}${choices && `?${choices}`}`);
}

/** Keep the values of a choice in the address; no values: forget it. */
function remember(choice, values) {
  address.choices.delete(choice);
  for (const value of values) address.choices.append(choice, value);
  writeAddress();
}

addEventListener("hashchange", () => {
  const { place, choices } = splitHash();
  // A pasted link with other choices: the page starts again with them.
  if (choices.size && choices.toString() !== address.choices.toString()) return location.reload();
  address.place = place;
  writeAddress();
});
