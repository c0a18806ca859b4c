// Combinations of one word of each dimension with words of the others, for pairs that no other case covers.
import { asText, base64Secret, blob, blocks, hexSecret, long, payment, pemFile, textSecret, tools, xml } from './words.mjs';

function paired(id, tool, alg, rest) {
  const { plaintext = payment, secrets, legacy, document, padding, tag_len, ...profile } = rest;
  return { id: `pair-${id}`, tool, plaintext, document, legacy, secrets, profile: { kind: 'cipher', content: { alg, padding, tag_len }, iv: { source: 'random' }, ...profile } };
}
const legacy = true;
const pass = textSecret('Tr0ub4dor&3 ünïcode');
const ascii = textSecret('correct horse battery staple');
const gcm = ['iv', 'ct', 'tag'];
const cbc = ['iv', 'ct'];
const salted = ['lit:Salted__', 'salt', 'ct'];
const evp = (hash, more) => ({ type: 'evp_bytes_to_key', hash, salt: 'part', salt_len: 8, yields: 'key+iv', ...more });
const wrapped = (enc, parts) => ({ json: { k: '${k}', d: '${c}' }, blobs: { k: blob(['wrapped_key'], enc), c: blob(parts, enc) } });
const oaep = (hash, mgf, label) => ({ alg: 'RSA-OAEP', hash, mgf, label, ref: 'rsa' });
const rsa = { rsa: pemFile('rsa_priv') };
const suffix = (len) => ({ source: 'field_suffix', path: '$.head.ts', len });
const stamped = '{"head":{"ts":"2026-01-02T15:04:05.678Z","n":1},"rows":[[{"v":"a"},{"v":2}],[{"v":null}]],"s":"Zoë"}';

export const pairs = [
  paired('ctr192-evp-sha256-hexupper', tools.openssl, 'AES-192-CTR', { legacy, secrets: { p: pass }, key: { ref: 'p', derive: evp('sha256', { iterations: 1 }) }, iv: { source: 'kdf', len: 16 }, envelope: asText(salted, 'hexupper') }),
  paired('ctr128-pbkdf2-sha512-zero-iv', tools.node, 'AES-128-CTR', { legacy, secrets: { p: ascii }, key: { ref: 'p', derive: { type: 'pbkdf2', hash: 'sha512', iterations: 2000, salt: 'part', salt_len: 64, yields: 'key' } }, iv: { source: 'random', len: 16 }, envelope: { text: '${s}:${c}', blobs: { s: blob(['salt'], 'base64url'), c: blob(cbc, 'hexupper') } } }),
  paired('ctr256-scrypt-outer-hex', tools.java, 'AES-256-CTR', { legacy, secrets: { p: pass }, key: { ref: 'p', derive: { type: 'scrypt', n: 16384, r: 8, p: 2, salt: 'part', salt_len: 32, yields: 'key+iv' } }, iv: { source: 'kdf', len: 16 }, envelope: { json: ['${c}', { s: '${s}' }], blobs: { s: blob(['salt'], 'hex'), c: blob(['ct'], 'base64url') }, outer_enc: 'hex' } }),
  paired('ctr256-session-pkcs1-mac-sha256', tools.node, 'AES-256-CTR', { legacy, secrets: { ...rsa, m: hexSecret('pm', 32) }, key: { session: { len: 32, form: 'hex' } }, wrap: { alg: 'RSA-PKCS1V15', ref: 'rsa' }, iv: { source: 'random', len: 16 }, mac: { alg: 'HMAC-SHA256', ref: 'm', input: '${k}|${c}' }, envelope: { text: '${k}|${c}|${m}', blobs: { k: blob(['wrapped_key'], 'hex'), c: blob(cbc, 'base64'), m: blob(['mac'], 'hexupper') } } }),
  paired('chacha20-hkdf-sha384-salt-sent', tools.pyca, 'CHACHA20-POLY1305', { secrets: { p: base64Secret('pp', 48) }, key: { ref: 'p', derive: { type: 'hkdf', hash: 'sha384', salt: 'part', salt_len: 24, info: 'pair', yields: 'key' } }, envelope: { json: { s: '${s}', c: '${c}' }, blobs: { s: blob(['salt'], 'base64url'), c: blob(gcm, 'hexupper') } }, plaintext: long }),
  paired('chacha20-session-aeskw-form', tools.java, 'CHACHA20-POLY1305', { secrets: { kek: hexSecret('pk', 24) }, key: { session: { len: 32 } }, wrap: { alg: 'AES-KW', ref: 'kek' }, select: { mode: 'form_fields', names: ['pan', 'cvv'] }, envelope: { text: '${k}.${c}', blobs: { k: blob(['wrapped_key'], 'base64url'), c: blob(gcm, 'base64url') } }, plaintext: 'pan=4111&x=%2B&cvv=1%262', content_type: 'application/x-www-form-urlencoded' }),
  paired('chacha20-ecdh-x25519-hkdf-iv', tools.node, 'CHACHA20-POLY1305', { secrets: { ours: pemFile('x25519_priv') }, key: { ecdh: { curve: 'X25519', ref: 'ours', derive: { type: 'hkdf', hash: 'sha512', info: 'key and iv', yields: 'key+iv' } } }, iv: { source: 'kdf', len: 12 }, envelope: { json: { e: '${e}', c: '${c}' }, blobs: { e: blob(['ephemeral'], 'base64url'), c: blob(['ct', 'tag'], 'base64') } } }),
  paired('chacha20-aad-suffix-object', tools.node, 'CHACHA20-POLY1305', { secrets: { k: hexSecret('pc', 32) }, key: { ref: 'k' }, aad: suffix(8), select: { mode: 'object', path: '$.rows' }, plaintext: '[[{"v":"a"},{"v":2}],[{"v":null}]]', document: stamped, envelope: asText(gcm, 'hex') }),
  paired('3des-cbc-digest-sha1-hex', tools.openssl, '3DES-CBC', { legacy, secrets: { p: ascii }, key: { ref: 'p', derive: { type: 'digest', hash: 'sha1', form: 'hex', take: 24 } }, iv: { source: 'random', len: 8 }, envelope: asText(cbc, 'base64url') }),
  paired('3des-cbc-digest-sha256-base64-text-iv', tools.node, '3DES-CBC', { legacy, secrets: { p: pass }, key: { ref: 'p', derive: { type: 'digest', hash: 'sha256', form: 'base64', take: 24 } }, iv: { source: 'random_ascii', len: 8 }, padding: 'zero', envelope: { text: '${i}${c}', blobs: { i: blob(['iv'], 'utf8'), c: blob(['ct'], 'hex') } } }),
  paired('3des-cbc-session-oaep-fields', tools.java, '3DES-CBC', { legacy, secrets: rsa, key: { session: { len: 24, form: 'ascii' } }, wrap: oaep('sha256', 'sha1'), iv: { source: 'random', len: 8, scope: 'value' }, select: { mode: 'fields', paths: ['$.rows[*][*].v'], value_form: 'json' }, plaintext: stamped, envelope: { text: '${c}', blobs: { c: blob(cbc, 'hexupper'), k: blob(['wrapped_key'], 'hex') }, headers: { 'X-Key': 'k=${k}' } } }),
  paired('3des-cbc-hmac-md5-pkcs5', tools.java, '3DES-CBC', { legacy, secrets: { k: hexSecret('p3', 24), m: ascii }, key: { ref: 'k' }, padding: 'pkcs5', iv: { source: 'random', len: 8 }, mac: { alg: 'HMAC-MD5', ref: 'm', input: 'i=${i}&c=${c}' }, envelope: { json: { i: '${i}', c: '${c}', m: '${m}' }, blobs: { i: blob(['iv'], 'hexupper'), c: blob(['ct'], 'base64'), m: blob(['mac'], 'base64') } }, plaintext: xml }),
  paired('3des-ecb-evp-md5', tools.node, '3DES-ECB', { legacy, secrets: { p: ascii }, key: { ref: 'p', derive: evp('md5', { yields: 'key' }) }, iv: { source: 'none' }, envelope: asText(salted, 'base64') }),
  paired('128cbc-oaep-sha512-mgf-sha1', tools.openssl, 'AES-128-CBC', { legacy, secrets: rsa, key: { session: { len: 16, form: 'base64' } }, wrap: oaep('sha512', 'sha1'), iv: { source: 'random', len: 16 }, envelope: wrapped('hexupper', cbc) }),
  paired('192cbc-oaep-sha384-mgf-sha256-label', tools.pyca, 'AES-192-CBC', { legacy, secrets: rsa, key: { session: { len: 24, form: 'hex' } }, wrap: oaep('sha384', 'sha256', 'Ünïcode'), padding: 'zero', iv: { source: 'random', len: 16 }, envelope: wrapped('base64url', ['ct', 'iv']), plaintext: blocks }),
  paired('256cbc-aeskw-ascii-prefix-iv', tools.node, 'AES-256-CBC', { legacy, secrets: { kek: base64Secret('pk2', 32) }, key: { session: { len: 32, form: 'ascii' } }, wrap: { alg: 'AES-KW', ref: 'kek' }, iv: { source: 'random', len: 16, placement: 'plaintext_prefix' }, envelope: wrapped('hex', ['ct']) }),
  paired('128gcm-aeskw-hex-form-object', tools.pyca, 'AES-128-GCM', { secrets: { kek: hexSecret('pk3', 16) }, key: { session: { len: 16, form: 'hex' } }, wrap: { alg: 'AES-KW', ref: 'kek' }, select: { mode: 'object', path: '$.s' }, plaintext: '"Zoë"', document: stamped, envelope: wrapped('base64url', ['tag', 'iv', 'ct']) }),
  paired('256gcm-tag-12-session-oaep-sha1', tools.node, 'AES-256-GCM', { legacy, secrets: rsa, key: { session: { len: 32 } }, wrap: oaep('sha1', 'sha512'), tag_len: 12, iv: { source: 'random', len: 12 }, envelope: wrapped('hex', ['ct', 'tag', 'iv']) }),
  paired('192gcm-tag-13-hkdf-static-salt', tools.java, 'AES-192-GCM', { legacy, secrets: { p: hexSecret('pt', 24), salt: hexSecret('ps', 16) }, key: { ref: 'p', derive: { type: 'hkdf', hash: 'sha512', salt: 'ref:salt', info: 'x', yields: 'key' } }, tag_len: 13, iv: { source: 'random', len: 12 }, envelope: asText(['iv', 'tag', 'ct'], 'base64url') }),
  paired('128gcm-16-byte-iv-digest-fields', tools.forge, 'AES-128-GCM', { secrets: { p: pass }, key: { ref: 'p', derive: { type: 'digest', hash: 'sha512', take: 16 } }, iv: { source: 'random', len: 16, scope: 'value' }, select: { mode: 'fields', paths: ["$['rows'][*][0].v", '$.s'], value_form: 'string' }, plaintext: stamped, envelope: { text: '${t}${i}${c}', blobs: { t: blob(['tag'], 'hexupper'), i: blob(['iv'], 'hex'), c: blob(['ct'], 'base64') } } }),
  paired('256gcm-aad-suffix-shared-fields', tools.java, 'AES-256-GCM', { secrets: { k: base64Secret('pa', 32) }, key: { ref: 'k' }, aad: suffix(24), iv: { source: 'random', len: 12 }, select: { mode: 'fields', paths: ['$.s', '$.rows[0]', '$.rows[1]'], value_form: 'json' }, plaintext: stamped, envelope: asText(gcm, 'base64url') }),
  paired('256gcm-random-text-iv-empty-aad-sent', tools.openssl, 'AES-256-GCM', { secrets: { k: textSecret('exactly thirty-two bytes of text') }, key: { ref: 'k' }, iv: { source: 'random_ascii', len: 12 }, aad: { source: 'part', value: '' }, envelope: { json: { resource: { nonce: '${i}', associated_data: '${a}', ciphertext: '${c}' } }, blobs: { i: blob(['iv'], 'utf8'), a: blob(['aad'], 'utf8'), c: blob(['ct', 'tag'], 'base64') } } }),
  paired('256gcm-pkcs1-session-suffix-iv-fields', tools.node, 'AES-256-GCM', { legacy, secrets: rsa, key: { session: { len: 32, form: 'raw', scope: 'value' } }, wrap: { alg: 'RSA-PKCS1V15', ref: 'rsa' }, iv: suffix(12), aad: { source: 'static', value: 'v2', decode: 'utf8' }, select: { mode: 'fields', paths: ['$.rows[*]'], value_form: 'json' }, plaintext: stamped, envelope: { text: '${k}:${c}', blobs: { k: blob(['wrapped_key'], 'base64url'), c: blob(['ct', 'tag'], 'hex') } } }),
  paired('128ecb-digest-md5-fields-no-padding', tools.node, 'AES-128-ECB', { legacy, secrets: { p: ascii }, key: { ref: 'p', derive: { type: 'digest', hash: 'md5' } }, iv: { source: 'none' }, padding: 'none', select: { mode: 'fields', paths: ['$[*]'], value_form: 'string' }, plaintext: `["${blocks}","${blocks.slice(0, 16)}"]`, envelope: asText(['ct'], 'base64url') }),
  paired('192ecb-pbkdf2-sha1', tools.hashlib, 'AES-192-ECB', { legacy, secrets: { p: ascii }, key: { ref: 'p', derive: { type: 'pbkdf2', hash: 'sha1', iterations: 1000, salt: 'part', salt_len: 8, yields: 'key' } }, iv: { source: 'none' }, envelope: asText(['salt', 'ct'], 'hexupper') }),
  paired('256cbc-hkdf-derived-mac-own', tools.node, 'AES-256-CBC', { secrets: { p: base64Secret('ph', 32) }, key: { ref: 'p', derive: { type: 'hkdf', hash: 'sha256', salt: 'part', salt_len: 16, info: 'enc', yields: 'key+iv' } }, iv: { source: 'kdf', len: 16 }, mac: { alg: 'HMAC-SHA512', ref: 'p', input: '${s}${c}' }, envelope: { json: { s: '${s}', c: '${c}', m: '${m}' }, blobs: { s: blob(['salt'], 'hex'), c: blob(['ct'], 'base64'), m: blob(['mac'], 'base64') } } }),
  paired('128cbc-static-iv-hkdf-form', tools.pyca, 'AES-128-CBC', { legacy, secrets: { p: hexSecret('pf', 32), iv: hexSecret('piv', 16) }, key: { ref: 'p', derive: { type: 'hkdf', hash: 'sha1', info: 'form', yields: 'key' } }, iv: { source: 'static', ref: 'iv', len: 16 }, select: { mode: 'form_fields', names: ['a'], skip_empty: true, on_missing: 'skip' }, plaintext: 'a=1&b=2&a=&a=%C3%AB', content_type: 'application/x-www-form-urlencoded', envelope: asText(['ct'], 'hex') }),
  paired('256cbc-p256-digest-sha384', tools.node, 'AES-256-CBC', { legacy, secrets: { ours: pemFile('p256_priv') }, key: { ecdh: { curve: 'P-256', ref: 'ours', derive: { type: 'digest', hash: 'sha384', take: 32 } } }, iv: { source: 'random', len: 16 }, envelope: { text: '${e}.${c}', blobs: { e: blob(['ephemeral'], 'hex'), c: blob(cbc, 'base64') } } }),
  paired('192gcm-ecdh-x25519-in-header-object', tools.node, 'AES-192-GCM', { secrets: { ours: pemFile('x25519_priv') }, key: { ecdh: { curve: 'X25519', ref: 'ours', derive: { type: 'hkdf', hash: 'sha1', yields: 'key' } } }, iv: { source: 'random', len: 12 }, select: { mode: 'object', path: '$.head' }, plaintext: '{"ts":"2026-01-02T15:04:05.678Z","n":1}', document: stamped, envelope: { text: '${c}', blobs: { e: blob(['ephemeral'], 'base64'), c: blob(gcm, 'base64') }, headers: { 'X-Ephemeral': '${e}' } } }),
  paired('256gcm-nested-es384-fields', tools.node, 'AES-256-GCM', { secrets: { k: hexSecret('pn', 32), sign: pemFile('p384_priv') }, key: { ref: 'k' }, nested: { jws: { alg: 'ES384', ref: 'sign' } }, select: { mode: 'fields', paths: ['$.s', '$.head.n'], value_form: 'json' }, plaintext: stamped, envelope: asText(gcm, 'hex') }),
  paired('256gcm-field-as-document', tools.node, 'AES-256-GCM', { secrets: { k: hexSecret('pd', 32) }, key: { ref: 'k' }, iv: { source: 'random', len: 12 }, select: { mode: 'fields', paths: ['$.rows[0]'], value_form: 'json' }, plaintext: stamped, envelope: { json: { iv: '${i}', data: '${c}' }, blobs: { i: blob(['iv'], 'base64url'), c: blob(['ct', 'tag'], 'base64') } } }),
  paired('256cbc-nested-eddsa-mac', tools.node, 'AES-256-CBC', { secrets: { k: hexSecret('pe', 32), sign: pemFile('ed25519_priv') }, key: { ref: 'k' }, iv: { source: 'random', len: 16 }, mac: { alg: 'HMAC-SHA384', ref: 'k', input: '${c}' }, nested: { jws: { alg: 'EdDSA', ref: 'sign' } }, envelope: { text: '${c}|${m}', blobs: { c: blob(cbc), m: blob(['mac'], 'base64url') } } }),
];

function jwe(id, alg, enc, key, rest = {}) {
  const { plaintext = payment, secrets, legacy: unsafe, document, ...profile } = rest;
  return { id: `pair-jwe-${id}`, tool: tools.jose, plaintext, document, legacy: unsafe, secrets: { key, ...secrets }, profile: { kind: 'jwe', alg, enc, ref: 'key', serialization: 'compact', envelope: { text: '${jwe}' }, ...profile } };
}
const attached = (id, alg, key, rest = {}) => {
  const { plaintext = payment, ...profile } = rest;
  return { id: `pair-jws-${id}`, tool: tools.jose, plaintext, secrets: { key }, profile: { kind: 'jws', alg, ref: 'key', ...profile } };
};
export const pairedJWE = [
  jwe('general-a256kw', 'A256KW', 'A128CBC-HS256', hexSecret('j4', 32), { serialization: 'general', envelope: undefined }),
  jwe('general-ecdh-es', 'ECDH-ES', 'A192GCM', pemFile('x25519_priv'), { serialization: 'general', envelope: undefined, plaintext: xml }),
  attached('attached-ps256', 'PS256', pemFile('rsa2_priv'), { protected_header: { kid: 'k1', typ: 'JWT' } }),
  attached('attached-es256-fields', 'ES256', pemFile('p256_priv'), { select: { mode: 'fields', paths: ['$.rows[*]'], value_form: 'json' }, plaintext: stamped }),
  jwe('a256gcmkw-a192gcm-flattened', 'A256GCMKW', 'A192GCM', hexSecret('j1', 32), { serialization: 'flattened', envelope: undefined }),
  jwe('a128gcmkw-a256cbc-nested-hs512', 'A128GCMKW', 'A256CBC-HS512', base64Secret('j2', 16), { secrets: { sign: base64Secret('hs512', 64) }, nested: { jws: { alg: 'HS512', ref: 'sign' } } }),
  jwe('ecdh-es-a256kw-p384-a128cbc', 'ECDH-ES+A256KW', 'A128CBC-HS256', pemFile('p384_priv'), { plaintext: long }),
  jwe('ecdh-es-a128kw-x25519-nested-ps384', 'ECDH-ES+A128KW', 'A256GCM', pemFile('x25519_priv'), { secrets: { sign: pemFile('rsa2_priv') }, nested: { jws: { alg: 'PS384', ref: 'sign' } } }),
  jwe('ecdh-es-p384-a192cbc-flattened', 'ECDH-ES', 'A192CBC-HS384', pemFile('p384_priv'), { serialization: 'flattened', envelope: undefined }),
  jwe('a128kw-a192gcm-of-md-fields', 'A128KW', 'A192GCM', textSecret('short'), { derive: { type: 'digest', hash: 'sha256', take: 16 }, select: { mode: 'fields', paths: ['$.rows[*][*].v'], value_form: 'json' }, plaintext: stamped }),
  jwe('dir-a256cbc-of-hkdf-form', 'dir', 'A256CBC-HS512', base64Secret('j3', 32), { derive: { type: 'hkdf', hash: 'sha512', info: 'jwe', yields: 'key' }, select: { mode: 'form_fields', names: ['p'] }, plaintext: 'p=Zo%C3%AB&q=1', content_type: 'application/x-www-form-urlencoded' }),
  jwe('rsa-oaep-a192cbc-nested-rs384-in-header', 'RSA-OAEP', 'A192CBC-HS384', pemFile('rsa4096_priv'), { secrets: { sign: pemFile('rsa2_priv') }, nested: { jws: { alg: 'RS384', ref: 'sign' } }, envelope: { json: { ok: true }, headers: { 'X-Payload': '${jwe}' } } }),
];

const context = { timestamp: 1767225600, msg_id: 'msg_9', method: 'POST', host: 'api.partner.example', path: '/v1/hook', query: '' };
function signed(id, tool, scheme, alg, secret, rest = {}) {
  const { plaintext = payment, secrets, legacy: unsafe, ...profile } = rest;
  return { id: `pair-${id}`, tool, plaintext, legacy: unsafe, context, secrets: { s: secret, ...secrets }, profile: { kind: 'sign', scheme, alg, ref: 's', input: '${body}', enc: 'hex', headers: { 'X-Signature': '${sig}' }, ...profile } };
}
const jws = (id, alg, key, rest) => signed(id, tools.jose, 'jws_detached', alg, key, { enc: undefined, headers: { 'x-jws-signature': '${jws}' }, ...rest });
export const pairedSignatures = [
  jws('jws-es384-unencoded', 'ES384', pemFile('p384_priv'), { b64: false, plaintext: xml }),
  jws('jws-eddsa-unencoded', 'EdDSA', pemFile('ed25519_priv'), { b64: false, protected_header: { kid: 'ed' } }),
  jws('jws-ps512-of-request', 'PS512', pemFile('rsa4096_priv'), { input: '${method} ${path}\n${body}' }),
  jws('jws-hs384', 'HS384', hexSecret('h3', 48)),
  jws('jws-rs384', 'RS384', pemFile('rsa2_priv')),
  jws('jws-ps384-unencoded', 'PS384', pemFile('rsa_priv'), { b64: false, plaintext: long }),
  signed('stripe-whsec-text', tools.node, 'mac', 'HMAC-SHA256', textSecret('whsec_8f3a'), { refs: ['s', 'old'], secrets: { old: textSecret('whsec_77b1') }, join: ',', input: '${ts}.${body}', headers: { 'Stripe-Signature': 't=${ts},v1=${sig}' }, plaintext: xml }),
  signed('webhooks-three-keys', tools.node, 'mac', 'HMAC-SHA256', base64Secret('w1', 24), { refs: ['s', 'b', 'c'], secrets: { b: base64Secret('w2', 24), c: hexSecret('w3', 32) }, join: ' ', enc: 'base64', input: '${id}.${ts}.${body}', headers: { 'webhook-id': '${id}', 'webhook-timestamp': '${ts}', 'webhook-signature': 'v1,${sig}' } }),
  signed('slack-upper', tools.openssl, 'mac', 'HMAC-SHA512', textSecret('slack'), { enc: 'hexupper', input: 'v0:${ts}:${body}', headers: { 'X-Slack-Signature': 'v0=${sig}', 'X-Slack-Request-Timestamp': '${ts}' } }),
  signed('ecdsa-p384-url', tools.java, 'asym', 'ECDSA-SHA384', pemFile('p384_priv'), { enc: 'base64url', input: '${body_sha256_hex}' }),
  signed('rsa-sha512-of-digest', tools.openssl, 'asym', 'RSA-SHA512', pemFile('rsa4096_priv'), { enc: 'hexupper', input: '${ts}|${body_sha512_b64}', headers: { 'X-Sig': '${sig}', 'X-Time': '${ts}' } }),
];
