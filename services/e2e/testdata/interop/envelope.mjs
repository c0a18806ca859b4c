// The format of encrypted bytes, and the encrypted part of a body: a partner's implementation of the words `envelope`
// and `select`.

const encodings = {
  base64: [(b) => b.toString('base64'), (t) => Buffer.from(t, 'base64')],
  base64url: [(b) => b.toString('base64url'), (t) => Buffer.from(t, 'base64url')],
  hex: [(b) => b.toString('hex'), (t) => Buffer.from(t, 'hex')],
  hexupper: [(b) => b.toString('hex').toUpperCase(), (t) => Buffer.from(t, 'hex')],
  utf8: [(b) => b.toString('utf8'), (t) => Buffer.from(t, 'utf8')],
  base64_mime: [(b) => (b.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n'), (t) => Buffer.from(t, 'base64')],
};
const encodingOf = (name) => encodings[name || 'base64'];
export const encode = (name, bytes) => encodingOf(name)[0](Buffer.from(bytes));
export const decode = (name, text) => encodingOf(name)[1](text);

const hole = /\$\{([a-z0-9_]+)\}/;
const asOne = { blobs: { data: { parts: ['iv', 'ct', 'tag'], enc: 'base64' } }, text: '${data}' };
/** The envelope of a profile, by default IV, ciphertext, and tag in base64. */
export const envelopeOf = (profile) => ({ ...asOne, ...profile.envelope });

const fill = (template, texts) =>
  template.split(hole).map((piece, i) => (i % 2 ? texts[piece] : piece)).join('');

/** Replaces the strings of a document. */
function mapStrings(document, change) {
  if (typeof document === 'string') return change(document);
  if (document === null || typeof document !== 'object') return document;
  if (Array.isArray(document)) return document.map((d) => mapStrings(d, change));
  return Object.fromEntries(Object.entries(document).map(([name, d]) => [name, mapStrings(d, change)]));
}

/** The strings of blobs by name, built from parts by name. Base64 lines come from a tool. */
export async function blobTexts(blobs, parts, { toLines } = {}) {
  const texts = {};
  for (const [name, { parts: pieces, enc }] of Object.entries(blobs)) {
    const present = pieces.filter((p) => p.startsWith('lit:') || parts[p]);
    const bytes = Buffer.concat(present.map((p) => (p.startsWith('lit:') ? Buffer.from(p.slice(4)) : parts[p])));
    texts[name] = enc === 'base64_mime' && toLines ? (await toLines(bytes)).toString() : encode(enc, bytes);
  }
  return texts;
}

/** Writes the strings: the body, or the replacement of a value, and the headers. */
export function write(envelope, texts) {
  const headers = Object.fromEntries(Object.entries(envelope.headers ?? {}).map(([name, t]) => [name, fill(t, texts)]));
  if (envelope.json === undefined) return { body: outer(envelope, fill(envelope.text, texts)), headers };
  const document = mapStrings(envelope.json, (s) => (s === '*' ? 'anything' : fill(s, texts)));
  return { body: outer(envelope, JSON.stringify(document)), document, headers };
}
const outer = ({ outer_enc: name }, body) => (name ? encode(name, Buffer.from(body)) : body);

/** Reads the strings by name from a body and headers; sizes are in characters. */
export function read(envelope, body, headers, sizes) {
  const found = {};
  const inner = envelope.outer_enc ? decode(envelope.outer_enc, body.trim()).toString() : body;
  if (envelope.json === undefined) match(envelope.text, inner.trim(), sizes, found);
  else compare(envelope.json, JSON.parse(inner), sizes, found);
  const lower = Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  for (const [name, template] of Object.entries(envelope.headers ?? {})) {
    if (hole.test(template)) match(template, lower[name.toLowerCase()], sizes, found);
  }
  return found;
}

function match(template, text, sizes, found) {
  const names = [];
  const pattern = template.split(hole).map((piece, i) => {
    if (i % 2 === 0) return piece.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    names.push(piece);
    return sizes?.[piece] === undefined ? '([^]*?)' : `([^]{${sizes[piece]}})`;
  });
  const groups = new RegExp(`^${pattern.join('')}$`).exec(text);
  if (!groups) throw new Error(`${text} is not ${template}`);
  names.forEach((name, i) => (found[name] = groups[i + 1]));
}

function compare(template, document, sizes, found) {
  if (template === '*') return;
  if (typeof template === 'string') {
    match(template, document, sizes, found);
  } else if (template === null || typeof template !== 'object') {
    if (template !== document) throw new Error(`${document} is not ${template}`);
  } else {
    if (Object.keys(template).length !== Object.keys(document).length) throw new Error('another document');
    for (const name of Object.keys(template)) compare(template[name], document[name], sizes, found);
  }
}

/** The length in characters of each blob whose parts all have a known size. */
export function textSizes(blobs, sizes) {
  const known = {};
  for (const [name, { parts, enc }] of Object.entries(blobs)) {
    const bytes = parts.map((p) => (p.startsWith('lit:') ? Buffer.byteLength(p) - 4 : sizes[p]));
    if (enc !== 'base64_mime' && bytes.every((n) => n !== undefined)) known[name] = encode(enc === 'utf8' ? 'utf8' : enc, Buffer.alloc(bytes.reduce((a, b) => a + b, 0), 97)).length;
  }
  return known;
}

/** Splits the bytes of the blobs into parts. */
export async function splitBlobs(blobs, texts, sizes, { fromLines } = {}) {
  const parts = {};
  for (const [name, text] of Object.entries(texts)) {
    const { parts: pieces, enc } = blobs[name];
    const bytes = enc === 'base64_mime' && fromLines ? await fromLines(Buffer.from(text)) : decode(enc, text);
    const size = (p) => (p.startsWith('lit:') ? Buffer.byteLength(p) - 4 : sizes[p]);
    const present = pieces.filter((p) => p.startsWith('lit:') || size(p) !== 0);
    const rest = bytes.length - present.reduce((sum, p) => sum + (size(p) ?? 0), 0);
    let at = 0;
    for (const p of present) {
      const n = size(p) ?? rest;
      parts[p] = bytes.subarray(at, at + n);
      at += n;
      if (p.startsWith('lit:') && parts[p].toString() !== p.slice(4)) throw new Error(`not ${p}`);
    }
  }
  return parts;
}

const steps = (path) =>
  [...path.matchAll(/\.([A-Za-z0-9_-]+)|\['([^']*)'\]|\[(\d+)\]|\[(\*)\]/g)].map((m) => m[1] ?? m[2] ?? (m[3] !== undefined ? Number(m[3]) : '*'));

/** Changes the values at a path of a document, in place. */
export async function changeAt(document, path, change) {
  const walk = async (holder, [step, ...rest]) => {
    if (holder === null || typeof holder !== 'object') return;
    for (const key of step === '*' ? Object.keys(holder) : [step]) {
      if (!(key in holder)) continue;
      if (rest.length) await walk(holder[key], rest);
      else holder[key] = await change(holder[key]);
    }
  };
  await walk(document, steps(path));
}

/** The string of a value at a path. */
export function textAt(body, path) {
  const value = steps(path).reduce((v, step) => v?.[step], JSON.parse(body));
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Seals the selected bytes of a body; seal returns the result of `write`. */
export async function sealSelected(select, body, seal) {
  let headers = {};
  const sealed = async (text) => {
    const written = await seal(Buffer.from(text));
    headers = written.headers;
    return written;
  };
  switch (select?.mode) {
    case 'fields': {
      const document = JSON.parse(body);
      for (const path of select.paths) {
        await changeAt(document, path, async (value) => {
          if (value === '' && select.skip_empty) return value;
          const text = select.value_form === 'string' && typeof value === 'string' ? value : JSON.stringify(value);
          const { body: written, document: instead } = await sealed(text);
          return instead ?? written;
        });
      }
      return { body: JSON.stringify(document), headers };
    }
    case 'object': {
      const document = JSON.parse(body);
      await changeAt(document, select.path, async (value) => {
        const { body: text, document: written } = await sealed(JSON.stringify(value));
        return written ?? text;
      });
      return { body: JSON.stringify(document), headers };
    }
    case 'form_fields': {
      const pairs = [];
      for (const [name, value] of new URLSearchParams(body)) {
        pairs.push([name, select.names.includes(name) && !(value === '' && select.skip_empty) ? (await sealed(value)).body : value]);
      }
      return { body: new URLSearchParams(pairs).toString(), headers };
    }
    default: {
      const { body: text } = await sealed(body);
      return { body: text, headers };
    }
  }
}

/** Opens the selected bytes of a body. */
export async function openSelected(select, body, open) {
  switch (select?.mode) {
    case 'fields': {
      const document = JSON.parse(body);
      for (const path of select.paths) {
        await changeAt(document, path, async (value) => {
          if (value === '' && select.skip_empty) return value;
          const text = (await open(typeof value === 'string' ? value : JSON.stringify(value))).toString();
          return select.value_form === 'string' ? text : JSON.parse(text);
        });
      }
      return JSON.stringify(document);
    }
    case 'object': {
      const document = JSON.parse(body);
      await changeAt(document, select.path, async (value) =>
        JSON.parse(await open(typeof value === 'string' ? value : JSON.stringify(value))));
      return JSON.stringify(document);
    }
    case 'form_fields': {
      const pairs = [];
      for (const [name, value] of new URLSearchParams(body)) {
        pairs.push([name, select.names.includes(name) && !(value === '' && select.skip_empty) ? (await open(value)).toString() : value]);
      }
      return new URLSearchParams(pairs).toString();
    }
    default:
      return (await open(body)).toString();
  }
}
