// The string at a path of a JSON document.
function pick(json, ...path) {
  return path.reduce((value, step) => value[step], JSON.parse(json));
}

// All strings at a path of a JSON document; '*' matches every element.
function find(json, ...path) {
  return path.reduce((found, step) => found.flatMap((value) => {
    if (step === '*') return Object.values(value ?? {});
    return value?.[step] === undefined ? [] : [value[step]];
  }), [JSON.parse(json)]);
}

// The exact JSON text of the value at a path of a document.
function raw(json, ...path) {
  return path.reduce((value, step) => members(value).get(step), json);
}

// The members of a JSON object, or the elements of an array, as exact JSON text.
function members(json) {
  const found = new Map();
  let depth = 0, start = 0, name;
  for (const { 0: token, index } of json.matchAll(/"(?:[^"\\]|\\.)*"|[^"]/gs)) {
    if (depth === 1 && token === ':') {
      name = JSON.parse(json.slice(start, index));
    } else if (depth === 1 && ',]}'.includes(token) && json.slice(start, index).trim()) {
      found.set(name ?? String(found.size), json.slice(start, index).trim());
    }
    if ('[{'.includes(token)) depth++;
    if (depth === 1 && '[{,:'.includes(token)) start = index + 1;
    if (']}'.includes(token)) depth--;
  }
  return found;
}

// Text, quoted as a JSON string.
function quoted(text) {
  return JSON.stringify(text);
}

// The content of a JSON string, or the JSON text of any other value.
function unquoted(json) {
  return json.startsWith('"') ? JSON.parse(json) : json;
}

// A form with the values of these names decrypted.
function openForm(form, ...names) {
  const decode = (text) => decodeURIComponent(text.replaceAll('+', ' '));
  return form.split('&').map((pair) => {
    const [name, value = ''] = pair.split(/=(.*)/s).map(decode);
    return names.includes(name) && value ? `${pair.split('=')[0]}=${encodeURIComponent(open(value))}` : pair;
  }).join('&');
}
