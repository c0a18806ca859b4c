// Content ciphers with a shared key: algorithms, paddings, tags, IVs, and MACs.
import { asText, base64Secret, blob, blocks, hexSecret, long, payment, textSecret, tools, xml } from './words.mjs';

function shared(id, tool, alg, bytes, parts, enc, rest = {}) {
  const { content, iv, plaintext = payment, secrets, ...more } = rest;
  const source = parts.includes('iv') || iv ? { source: 'random', ...iv } : { source: 'none' };
  const { profile, ...other } = more;
  return {
    id, tool, plaintext, secrets: { key: hexSecret(id, bytes), ...secrets },
    profile: { kind: 'cipher', content: { alg, ...content }, key: { ref: 'key' }, iv: source, envelope: asText(parts, enc), ...profile },
    ...other,
  };
}
const gcm = ['iv', 'ct', 'tag'];
const cbc = ['iv', 'ct'];
const legacy = { legacy: true };

export const ciphers = [
  shared('aes128gcm-base64url', tools.node, 'AES-128-GCM', 16, gcm, 'base64url', { iv: { len: 12 } }),
  shared('aes192gcm-hexupper', tools.java, 'AES-192-GCM', 24, gcm, 'hexupper', { iv: { len: 12 }, plaintext: xml }),
  shared('aes256gcm-empty', tools.pyca, 'AES-256-GCM', 32, gcm, 'base64', { iv: { len: 12 }, plaintext: '' }),
  ...[12, 13, 14, 15].map((n) =>
    shared(`aes256gcm-tag-${n}`, tools.node, 'AES-256-GCM', 32, ['tag', 'iv', 'ct'], 'hex', { ...legacy, content: { tag_len: n }, iv: { len: 12 } })),
  shared('aes128gcm-tag-first-16-byte-iv', tools.forge, 'AES-128-GCM', 16, ['tag', 'ct', 'iv'], 'base64', { iv: { len: 16 }, plaintext: long }),
  shared('chacha20-aad-json', tools.java, 'CHACHA20-POLY1305', 32, gcm, 'hex', {
    iv: { len: 12 },
    profile: {
      aad: { source: 'static', value: 'partner|v2|₹', decode: 'utf8' },
      envelope: { json: { n: '${i}', box: { data: '${c}' } }, blobs: { i: blob(['iv'], 'hexupper'), c: blob(['ct', 'tag'], 'base64url') } },
    },
  }),
  shared('chacha20-no-options', tools.pyca, 'CHACHA20-POLY1305', 32, gcm, 'base64', { plaintext: long, secrets: { key: base64Secret('chacha', 32) } }),

  shared('aes128cbc-hex', tools.openssl, 'AES-128-CBC', 16, cbc, 'hex', legacy),
  shared('aes192cbc-iv-last', tools.openssl, 'AES-192-CBC', 24, ['ct', 'iv'], 'base64', { ...legacy, iv: { len: 16 } }),
  shared('aes256cbc-pkcs5', tools.java, 'AES-256-CBC', 32, cbc, 'base64url', { ...legacy, content: { padding: 'pkcs5' }, plaintext: blocks }),
  shared('aes128cbc-zero-padding', tools.openssl, 'AES-128-CBC', 16, cbc, 'base64', { ...legacy, content: { padding: 'zero' } }),
  shared('aes256cbc-zero-padding-full-blocks', tools.pyca, 'AES-256-CBC', 32, cbc, 'base64', { ...legacy, content: { padding: 'zero' }, plaintext: blocks }),
  shared('aes192cbc-no-padding', tools.openssl, 'AES-192-CBC', 24, cbc, 'hex', { ...legacy, content: { padding: 'none' }, plaintext: blocks }),
  shared('aes256cbc-empty', tools.openssl, 'AES-256-CBC', 32, cbc, 'hex', { ...legacy, plaintext: '' }),
  shared('aes256cbc-zero-iv', tools.cryptojs, 'AES-256-CBC', 32, ['ct'], 'base64', { ...legacy, iv: { source: 'zero', len: 16 } }),
  shared('aes256cbc-key-prefix-iv', tools.java, 'AES-256-CBC', 32, ['ct'], 'base64', {
    ...legacy, iv: { source: 'key_prefix', len: 16 }, secrets: { key: textSecret('Sixteen letters and 16 more, yes') },
  }),
  shared('aes128cbc-static-text-iv', tools.openssl, 'AES-128-CBC', 16, ['ct'], 'hexupper', {
    ...legacy, iv: { source: 'static', ref: 'iv', len: 16 }, secrets: { iv: textSecret('abcdef9876543210') },
  }),
  shared('aes128cbc-random-text-iv', tools.node, 'AES-128-CBC', 16, cbc, 'base64', {
    ...legacy, iv: { source: 'random_ascii', len: 16 },
    profile: { envelope: { text: '${i}${c}', blobs: { i: blob(['iv'], 'utf8'), c: blob(['ct']) } } },
  }),

  shared('aes128ctr', tools.openssl, 'AES-128-CTR', 16, cbc, 'base64', { ...legacy, iv: { len: 16 } }),
  shared('aes192ctr', tools.java, 'AES-192-CTR', 24, cbc, 'base64url', { ...legacy, plaintext: xml }),
  shared('aes256ctr', tools.cryptojs, 'AES-256-CTR', 32, cbc, 'hex', { ...legacy, iv: { len: 16 } }),

  shared('aes192ecb', tools.java, 'AES-192-ECB', 24, ['ct'], 'base64', legacy),
  shared('aes256ecb-zero-padding', tools.openssl, 'AES-256-ECB', 32, ['ct'], 'hex', { ...legacy, content: { padding: 'zero' } }),
  shared('aes128ecb-no-padding', tools.openssl, 'AES-128-ECB', 16, ['ct'], 'hexupper', { ...legacy, content: { padding: 'none' }, plaintext: blocks }),

  shared('3des-cbc', tools.java, '3DES-CBC', 24, cbc, 'base64', { ...legacy, iv: { len: 8 } }),
  shared('3des-cbc-two-keys', tools.openssl, '3DES-CBC', 16, cbc, 'hex', { ...legacy, iv: { len: 8 } }),
  shared('3des-cbc-zero-iv', tools.forge, '3DES-CBC', 24, ['ct'], 'base64', { ...legacy, iv: { source: 'zero', len: 8 } }),
  shared('3des-ecb-zero-padding', tools.openssl, '3DES-ECB', 24, ['ct'], 'base64', { ...legacy, content: { padding: 'zero' } }),
  shared('3des-ecb-two-text-keys', tools.openssl, '3DES-ECB', 16, ['ct'], 'base64', { ...legacy, secrets: { key: textSecret('two keys of text') } }),

  shared('aes256ctr-hmac-sha512-own-key', tools.node, 'AES-256-CTR', 32, cbc, 'base64', {
    secrets: { mac: base64Secret('mac', 64) },
    profile: {
      mac: { alg: 'HMAC-SHA512', ref: 'mac', input: 'v1.${c}' },
      envelope: { text: '${c}.${m}', blobs: { c: blob(cbc), m: blob(['mac'], 'base64url') } },
    },
  }),
  shared('aes192cbc-hmac-sha1', tools.openssl, 'AES-192-CBC', 24, cbc, 'hex', {
    profile: {
      mac: { alg: 'HMAC-SHA1', ref: 'key', input: '${i}|${c}' },
      envelope: { json: { iv: '${i}', ct: '${c}', hmac: '${m}' }, blobs: { i: blob(['iv'], 'hex'), c: blob(['ct'], 'hex'), m: blob(['mac'], 'hexupper') } },
    },
  }),
  shared('aes128cbc-hmac-sha384-in-header', tools.java, 'AES-128-CBC', 16, cbc, 'base64', {
    secrets: { mac: textSecret('the partner chose this passphrase for its MAC') },
    profile: {
      mac: { alg: 'HMAC-SHA384', ref: 'mac', input: '${c}' },
      envelope: { ...asText(cbc), blobs: { c: blob(cbc), m: blob(['mac'], 'hex') }, headers: { 'X-Mac': 'hmac ${m}' } },
    },
  }),

  shared('aes256gcm-aad-sent', tools.node, 'AES-256-GCM', 32, gcm, 'base64', {
    iv: { len: 12 },
    profile: {
      aad: { source: 'part', value: 'order-7|₹' },
      envelope: { json: { a: '${a}', c: '${c}' }, blobs: { a: blob(['aad'], 'utf8'), c: blob(gcm) } },
    },
  }),
  shared('aes256gcm-aad-sent-encoded', tools.java, 'AES-256-GCM', 32, gcm, 'base64', {
    iv: { len: 12 },
    profile: {
      aad: { source: 'part', value: 'v=1;tenant=demo' },
      envelope: { text: '${a}.${c}', blobs: { a: blob(['aad'], 'base64url'), c: blob(gcm, 'base64url') } },
    },
  }),
  shared('aes256gcm-aad-hex', tools.pyca, 'AES-256-GCM', 32, gcm, 'base64', {
    iv: { len: 12 }, profile: { aad: { source: 'static', value: '00017f0a', decode: 'hex' } },
  }),
  shared('aes256gcm-two-keys', tools.node, 'AES-256-GCM', 32, gcm, 'base64', {
    iv: { len: 12 }, secrets: { next: hexSecret('next', 32), before: base64Secret('before', 32) }, profile: { key: { refs: ['next', 'before', 'key'] } },
  }),
];
