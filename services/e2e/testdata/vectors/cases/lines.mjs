// Base64 in lines, as each tool breaks and reads it: openssl enc -a (64, LF), Java's MIME
// encoder (76, CR LF), Python's encodebytes (76, LF).
import { blob, hexSecret, long, payment, pemFile, textSecret, tools, xml } from './words.mjs';

function lined(id, tool, alg, envelope, rest = {}) {
  const { iv = { source: 'random' }, plaintext = payment, secrets, legacy, document, key = { ref: 'key' }, ...profile } = rest;
  return {
    id, tool, plaintext, document, legacy, secrets: { key: hexSecret(id, Number(alg.split('-')[1]) / 8), ...secrets },
    profile: { kind: 'cipher', content: { alg }, key, iv, envelope, ...profile },
  };
}
const lines = (parts) => ({ text: '${c}', blobs: { c: blob(parts, 'base64_mime') } });
const gcm = ['iv', 'ct', 'tag'];
const three = { i: blob(['iv'], 'base64_mime'), c: blob(['ct'], 'base64_mime'), t: blob(['tag'], 'hex') };
const salted = { type: 'evp_bytes_to_key', hash: 'sha256', iterations: 1, salt: 'part', salt_len: 8, yields: 'key+iv' };

export const inLines = [
  lined('lines-openssl-salted', tools.openssl, 'AES-256-CBC', lines(['lit:Salted__', 'salt', 'ct']), {
    legacy: true, iv: { source: 'kdf', len: 16 }, key: { ref: 'key', derive: salted }, secrets: { key: textSecret('correct horse battery staple') }, plaintext: long,
  }),
  lined('lines-openssl-cbc', tools.openssl, 'AES-128-CBC', lines(['iv', 'ct']), { legacy: true, plaintext: xml }),
  lined('lines-java-gcm', tools.java, 'AES-256-GCM', lines(gcm), { plaintext: long }),
  lined('lines-java-json', tools.java, 'AES-192-GCM', { json: { iv: '${i}', tag: '${t}', data: '${c}' }, blobs: three }, { plaintext: long }),
  lined('lines-python-gcm', tools.pyca, 'AES-128-GCM', lines(gcm), { plaintext: long }),
  lined('lines-python-text-with-literals', tools.pyca, 'AES-256-GCM', { text: 'v1:${i}.${c}:${t}', blobs: three }),
  lined('lines-node-outer', tools.node, 'AES-256-GCM', { json: { c: '${c}' }, blobs: { c: blob(gcm, 'base64_mime') }, outer_enc: 'base64_mime' }),
  lined('lines-node-fields', tools.node, 'AES-256-GCM', lines(gcm), {
    select: { mode: 'fields', paths: ['$.a[*][*]', '$.note'], value_form: 'json' },
    plaintext: `{"a":[["x",1],[],[{"b":null}]],"note":"${'long enough for two lines '.repeat(5)}","rest":1.5}`,
  }),
  lined('lines-java-object', tools.java, 'AES-256-GCM', { json: { d: '${c}' }, blobs: { c: blob(gcm, 'base64_mime') } }, {
    select: { mode: 'object', path: '$.card' }, plaintext: `{"pan":"4111111111111111","note":"${'n'.repeat(120)}"}`,
    document: `{"id":1,"card":{"pan":"4111111111111111","note":"${'n'.repeat(120)}"}}`,
  }),
  lined('lines-python-form', tools.pyca, 'AES-256-GCM', lines(gcm), {
    select: { mode: 'form_fields', names: ['data'] }, plaintext: `x=1&data=${'d'.repeat(150)}`, content_type: 'application/x-www-form-urlencoded',
  }),
  lined('lines-openssl-wrapped-key', tools.openssl, 'AES-256-CBC', {
    json: { key: '${k}', data: '${c}' }, blobs: { k: blob(['wrapped_key'], 'base64_mime'), c: blob(['iv', 'ct'], 'base64_mime') },
  }, { legacy: true, key: { session: { len: 32, form: 'raw' } }, wrap: { alg: 'RSA-OAEP', hash: 'sha1', mgf: 'sha1', ref: 'rsa' }, secrets: { rsa: pemFile('rsa_priv') } }),
  lined('lines-java-mac-over-the-text', tools.java, 'AES-256-CBC', { json: { data: '${c}', mac: '${m}' }, blobs: { c: blob(['iv', 'ct'], 'base64_mime'), m: blob(['mac'], 'hex') } }, {
    mac: { alg: 'HMAC-SHA256', ref: 'key', input: '${c}' }, plaintext: long,
  }),
  {
    id: 'lines-java-rsa-direct', tool: tools.java, plaintext: payment, secrets: { rsa: pemFile('rsa_priv') },
    profile: { kind: 'rsa_direct', wrap: { alg: 'RSA-OAEP', hash: 'sha256', mgf: 'sha1', ref: 'rsa' }, envelope: lines(['ct']) },
  },
];
