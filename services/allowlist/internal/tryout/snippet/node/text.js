// The text of the value at a path of a JSON document: a string, or the JSON of another value.
function field(json, ...path) {
  return unquoted(raw(json, ...path));
}

// The members of the JSON object at a path, sorted by name.
function sortedMembers(json, ...path) {
  return byName([...members(raw(json, ...path))].map(([name, value]) => [name, unquoted(value)]));
}

// A JSON object without the member at a path.
function withoutMember(json, step, ...path) {
  const kept = members(json);
  if (path.length) kept.set(step, withoutMember(kept.get(step), ...path));
  else kept.delete(step);
  return `{${[...kept].map(([name, value]) => `${quoted(name)}:${value}`).join(',')}}`;
}

// JSON without the blanks between its tokens.
function minify(json) {
  return json.replace(/("(?:[^"\\]|\\.)*")|\s+/gs, '$1');
}

// The decoded pairs of a form or a query, sorted by name.
function formPairs(text) {
  return byName(text.split('&').filter((pair) => pair).map((pair) => {
    const [name, value = ''] = pair.split(/=(.*)/s).map((part) => fromForm(part));
    return [name, value];
  }));
}

// A form or a query without some of its pairs.
function withoutPairs(text, ...names) {
  return text.split('&').filter((pair) => !names.includes(fromForm(pair.split('=')[0]))).join('&');
}

function fromForm(text) {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

// A map of pairs, sorted by the bytes of the names.
function byName(pairs) {
  return new Map(pairs.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

function joinPairs(pairs, between, separator) {
  return [...pairs].map(([name, value]) => name + between + value).join(separator);
}

function withoutEmpty(pairs) {
  return new Map([...pairs].filter(([, value]) => value !== ''));
}

function omitPairs(pairs, names) {
  return new Map([...pairs].filter(([name]) => !names.includes(name)));
}

function selectPairs(pairs, names) {
  return new Map([...pairs].filter(([name]) => names.includes(name)));
}

function keysOf(pairs) {
  return [...pairs.keys()];
}

function valuesOf(pairs) {
  return [...pairs.values()];
}

function sortedOf(list) {
  return list.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

// Percent-encoding of all but unreserved characters (RFC 3986).
function percentEncoded(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function percentEncodedPairs(pairs) {
  return byName([...pairs].map((pair) => pair.map((text) => percentEncoded(text))));
}

// The encoding of forms (URL Standard).
function formEncoded(text) {
  return new URLSearchParams([['', text]]).toString().slice(1);
}

function formEncodedPairs(pairs) {
  return byName([...pairs].map((pair) => pair.map((text) => formEncoded(text))));
}

function unescaped(text) {
  return decodeURIComponent(text);
}

// Base64 in either alphabet.
function unbase64(text) {
  return Buffer.from(text, 'base64');
}

// What stands between two strings.
function between(text, before, after) {
  return text.split(before)[1].split(after)[0];
}
