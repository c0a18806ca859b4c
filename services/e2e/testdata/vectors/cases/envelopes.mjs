// The formats of results: strings, documents, headers, and their encodings.
import { blob, blocks, hexSecret, long, payment, pemFile, tools, xml } from './words.mjs';

function written(id, tool, envelope, rest = {}) {
  const { alg = 'AES-256-GCM', iv = { source: 'random', len: 12 }, plaintext = payment, legacy, ...profile } = rest;
  return {
    id, tool, plaintext, legacy, secrets: { key: hexSecret(id, Number(alg.split('-')[1]) / 8) },
    profile: { kind: 'cipher', content: { alg, padding: /GCM/.test(alg) ? 'none' : 'pkcs7' }, key: { ref: 'key' }, iv, envelope, ...profile },
  };
}
const three = (enc = 'base64') => ({ i: blob(['iv'], enc), c: blob(['ct'], enc), t: blob(['tag'], enc) });
const one = (enc) => ({ c: blob(['iv', 'ct', 'tag'], enc) });

export const envelopes = [
  written('text-literals', tools.node, { text: 'enc:v1:${i}|${c}|${t};end', blobs: three() }),
  written('text-xml', tools.java, { text: '<m:msg xmlns:m="urn:bank">\n  <m:data enc="base64">${c}</m:data>\n</m:msg>', blobs: one() }, { plaintext: xml, content_type: 'application/xml' }),
  written('text-hex-without-separators', tools.pyca, { text: '${i}${t}${c}', blobs: three('hex') }),
  written('text-mixed-encodings', tools.node, { text: '${t}.${i}.${c}', blobs: { i: blob(['iv'], 'hexupper'), t: blob(['tag'], 'base64url'), c: blob(['ct'], 'base64') } }),
  written('blob-literals', tools.node, { text: '${c}', blobs: { c: blob(['lit:KW1', 'iv', 'lit:/', 'ct', 'tag', 'lit:!'], 'base64') } }),
  written('blob-literal-between-text', tools.openssl, { text: 'v2$${c}', blobs: { c: blob(['lit:$', 'iv', 'ct'], 'hex') } }, { alg: 'AES-128-CBC', iv: { source: 'random', len: 16 }, legacy: true }),
  written('json-arrays-and-numbers', tools.node, {
    json: { v: 1, list: ['x', null, true, { iv: '${i}', rate: 1.5 }], tag: ['${t}'], 'data.cipher text': '${c}', any: '*', empty: {}, none: [] }, blobs: three('base64url'),
  }),
  written('json-texts-around-blobs', tools.java, { json: { payload: 'aes:${i}:${c}', tag: 'urn:tag:${t}', unicode: 'naïve "₹"' }, blobs: three('hex') }),
  written('json-array-document', tools.pyca, { json: ['${i}', ['${c}'], '${t}'], blobs: three() }),
  written('json-in-base64', tools.node, { json: { i: '${i}', c: '${c}', t: '${t}' }, blobs: three('hex'), outer_enc: 'base64' }),
  written('json-in-base64url', tools.node, { json: { data: '${c}' }, blobs: one('base64'), outer_enc: 'base64url' }, { plaintext: long }),
  written('json-in-hex', tools.pyca, { json: { data: '${c}' }, blobs: one('base64'), outer_enc: 'hex' }),
  written('text-in-base64', tools.node, { text: '${i}:${c}:${t}', blobs: three('hex'), outer_enc: 'base64' }),
  written('iv-and-tag-in-headers-hex', tools.openssl, {
    text: '${c}', blobs: three('hex'), headers: { 'X-Initialization-Vector': '${i}', 'X-Authentication-Tag': '${t}' },
  }, { content_type: 'text/plain' }),
  written('all-but-data-in-one-header', tools.java, { json: { data: '${c}' }, blobs: { c: blob(['ct', 'tag'], 'base64'), i: blob(['iv'], 'base64') }, headers: { 'X-Encryption': 'alg=A256GCM; iv=${i}; v=1' } }),
  written('random-text-iv-in-header', tools.node, { text: '${c}', blobs: { c: blob(['ct'], 'base64'), i: blob(['iv'], 'utf8') }, headers: { 'X-Iv': '${i}' } }, {
    alg: 'AES-128-CBC', iv: { source: 'random_ascii', len: 16 }, legacy: true, plaintext: blocks,
  }),
  {
    id: 'fingerprint-anything', tool: tools.mastercard, plaintext: '{"pan":"4111111111111111","expiry":{"month":"04","year":"29"}}', legacy: true,
    document: '{"id":7,"card":{"encrypted":{"pan":"4111111111111111","expiry":{"month":"04","year":"29"}}}}',
    secrets: { rsa: pemFile('rsa_priv'), certificate: pemFile('rsa_cert') },
    profile: {
      kind: 'cipher', select: { mode: 'object', path: '$.card.encrypted' }, content: { alg: 'AES-128-CBC', padding: 'pkcs7' }, key: { session: { len: 16, form: 'raw' } },
      wrap: { alg: 'RSA-OAEP', hash: 'sha512', mgf: 'sha512', ref: 'rsa', fingerprint: 'sha256(cert DER)' }, iv: { source: 'random', len: 16 },
      envelope: {
        json: { encryptedData: '${c}', iv: '${i}', encryptedKey: '${k}', publicKeyFingerprint: '*', oaepHashingAlgorithm: 'SHA512' },
        blobs: { c: blob(['ct'], 'base64'), i: blob(['iv'], 'base64'), k: blob(['wrapped_key'], 'base64') },
      },
    },
  },
];
