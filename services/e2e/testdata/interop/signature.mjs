// Signed messages, as a partner implements them.
import { createHash } from 'node:crypto';
import { bytesOf } from './cipher.mjs';
import { encode, read, textAt } from './envelope.mjs';
import { detachedJWS, verifyDetachedJWS } from './jose.mjs';
import { hashName, toolOf } from './tools.mjs';

const asymmetric = (alg) => {
  const name = alg.toLowerCase();
  if (name === 'ed25519') return {};
  return { hash: /sha\d+/.exec(name)[0], pss: /pss/.test(name), p1363: /p1363/.test(name) };
};

/** The signed bytes: the template with its placeholders replaced. */
function input(v, body, { id, timestamp, secret }) {
  const c = v.context ?? {};
  const values = {
    body, ts: timestamp, timestamp, id, secret, method: c.method, host: c.host, path: c.path, query: c.query,
    ts_ms: timestamp && `${timestamp}000`, body_b64: body.toString('base64'),
  };
  const pieces = (v.profile.input || '${body}').split(/\$\{([^}]+)\}/).map((piece, i) => {
    if (i % 2 === 0) return Buffer.from(piece);
    if (piece.startsWith('json:')) return Buffer.from(textAt(body, piece.slice(5)));
    const digest = /^body_(md5|sha\d+)_(.+)$/.exec(piece);
    if (digest) return Buffer.from(encode(digest[2] === 'b64' ? 'base64' : digest[2].replace('_', ''), createHash(digest[1]).update(body).digest()));
    return Buffer.from(values[piece]);
  });
  return Buffer.concat(pieces);
}

const names = (p) => (p.join && p.refs) || [p.ref ?? p.refs[0]];

async function signed(v, name, body, facts) {
  const p = v.profile;
  const secret = v.secrets[name];
  const bytes = input(v, body, { ...facts, secret: bytesOf(secret) });
  switch (p.scheme) {
    case 'mac': return encode(p.enc || 'hex', await toolOf(v).hmac(p.alg.replace(/^HMAC-/i, ''), bytesOf(secret), bytes));
    case 'digest': return encode(p.enc || 'hex', await toolOf(v).digest(hashName(p.alg), bytes));
    case 'asym': return encode(p.enc || 'hex', await toolOf(v).sign(asymmetric(p.alg), secret.value, bytes));
    case 'jws_detached': return detachedJWS(v, name, bytes);
    default: throw new Error(`no scheme ${p.scheme}`);
  }
}

const known = (template, facts) =>
  template.replaceAll('${ts}', facts.timestamp).replaceAll('${ts_ms}', `${facts.timestamp}000`).replaceAll('${id}', facts.id);

/** The repeated part of a header with several signatures. */
function item(template, join) {
  const at = template.lastIndexOf(join, template.search(/\$\{(sig|jws)\}/));
  return at < 0 ? ['', template] : [template.slice(0, at + join.length), template.slice(at + join.length)];
}

export const sign = {
  async make(v, text) {
    const p = v.profile;
    const plain = Buffer.from(text);
    const facts = { id: v.context?.msg_id, timestamp: v.context?.timestamp && String(v.context.timestamp) };
    const signatures = [];
    for (const name of names(p)) signatures.push(await signed(v, name, plain, facts));
    const headers = {};
    for (const [name, template] of Object.entries(p.headers)) {
      const [before, one] = p.join && /\$\{(sig|jws)\}/.test(template) ? item(template, p.join) : ['', template];
      const all = /\$\{(sig|jws)\}/.test(one) ? signatures.map((s) => one.replace(/\$\{(sig|jws)\}/, s)).join(p.join ?? '') : one;
      headers[name] = known(before + all, facts);
    }
    return { body: p.body_template ? p.body_template.replace('${body_b64}', plain.toString('base64')) : text, headers };
  },

  /** Verifies, and returns the signed body. */
  async open(v, { body, headers }) {
    const p = v.profile;
    const template = { headers: Object.fromEntries(Object.entries(p.headers).map(([n, t]) => [n, t])), text: '${all}' };
    if (p.join) {
      for (const [name, t] of Object.entries(p.headers)) if (/\$\{sig\}/.test(t)) template.headers[name] = `${item(t, p.join)[0]}\${list}`;
    }
    const found = read(template, body, headers);
    const text = p.body_template ? Buffer.from(JSON.parse(body)[Object.keys(JSON.parse(p.body_template))[0]], 'base64').toString() : body;
    const facts = { id: found.id ?? v.context?.msg_id, timestamp: found.ts ?? (found.ts_ms && found.ts_ms.slice(0, -3)) };
    const one = p.join && item(Object.values(p.headers).find((t) => t.includes('${sig}')), p.join)[1];
    const given = p.join ? found.list.split(p.join).map((s) => s.slice(one.indexOf('${sig}'))) : [found.sig ?? found.jws];
    for (const name of names(p)) {
      if (!(await this.fits(v, name, Buffer.from(text), facts, given))) throw new Error('another signature');
    }
    return text;
  },

  async fits(v, name, plain, facts, given) {
    const p = v.profile;
    const bytes = input(v, plain, { ...facts, secret: bytesOf(v.secrets[name]) });
    switch (p.scheme) {
      case 'jws_detached': return verifyDetachedJWS(v, name, given[0], bytes).then(() => true);
      case 'asym':
        return toolOf(v).verify(asymmetric(p.alg), v.secrets[name].value, bytes, Buffer.from(given[0], /hex/.test(p.enc ?? 'hex') ? 'hex' : 'base64'));
      default: return given.includes(await signed(v, name, plain, facts));
    }
  },
};
