// JWE with all the algorithms, in all serializations; nested JWS; OpenPGP.
import { base64Secret, hexSecret, long, payment, pemFile, textSecret, tools } from './words.mjs';

function jwe(id, alg, enc, secret, rest = {}) {
  const { plaintext = payment, secrets, legacy, document, ...profile } = rest;
  return { id, tool: tools.jose, plaintext, document, legacy, secrets: { key: secret, ...secrets }, profile: { kind: 'jwe', alg, enc, ref: 'key', serialization: 'compact', envelope: { text: '${jwe}' }, ...profile } };
}
const members = '${protected} ${encrypted_key} ${iv} ${ciphertext} ${tag}'.split(' ');
const rsa = pemFile('rsa_priv');
const p256 = pemFile('p256_priv');

export const joses = [
  jwe('jwe-dir-a128gcm', 'dir', 'A128GCM', hexSecret('jwe', 16)),
  jwe('jwe-dir-a192gcm', 'dir', 'A192GCM', base64Secret('jwe', 24), { plaintext: long }),
  jwe('jwe-dir-a128cbc-hs256', 'dir', 'A128CBC-HS256', hexSecret('jwe', 32)),
  jwe('jwe-dir-a192cbc-hs384', 'dir', 'A192CBC-HS384', hexSecret('jwe', 48)),
  jwe('jwe-dir-a256cbc-hs512', 'dir', 'A256CBC-HS512', base64Secret('jwe', 64), { plaintext: '' }),
  jwe('jwe-a128kw', 'A128KW', 'A128CBC-HS256', hexSecret('kw', 16)),
  jwe('jwe-a256kw', 'A256KW', 'A256GCM', textSecret('exactly thirty-two bytes of text'), { protected_header: { kid: 'key-1', typ: 'JOSE', cty: 'application/json' } }),
  jwe('jwe-a128gcmkw', 'A128GCMKW', 'A256GCM', hexSecret('gcmkw', 16)),
  jwe('jwe-a256gcmkw', 'A256GCMKW', 'A256GCM', base64Secret('gcmkw', 32)),
  jwe('jwe-a256gcmkw-of-digest', 'A256GCMKW', 'A256GCM', textSecret('shared secret of a card network'), { derive: { type: 'digest', hash: 'sha256', form: 'raw' } }),
  jwe('jwe-dir-of-hex-digest', 'dir', 'A256GCM', textSecret('shared secret'), { derive: { type: 'digest', hash: 'sha256', form: 'hex', take: 32 } }),
  jwe('jwe-rsa-oaep-a192gcm', 'RSA-OAEP', 'A192GCM', rsa),
  jwe('jwe-rsa-oaep-256-a256cbc-hs512', 'RSA-OAEP-256', 'A256CBC-HS512', pemFile('rsa4096_priv')),
  jwe('jwe-ecdh-es-p256-a128cbc-hs256', 'ECDH-ES', 'A128CBC-HS256', p256),
  jwe('jwe-ecdh-es-p384', 'ECDH-ES', 'A256GCM', pemFile('p384_priv')),
  jwe('jwe-ecdh-es-x25519', 'ECDH-ES', 'A256CBC-HS512', pemFile('x25519_priv')),
  jwe('jwe-ecdh-es-a128kw', 'ECDH-ES+A128KW', 'A128GCM', p256),
  jwe('jwe-ecdh-es-a256kw', 'ECDH-ES+A256KW', 'A256GCM', pemFile('p256_sec1')),
  jwe('jwe-ecdh-es-a256kw-x25519', 'ECDH-ES+A256KW', 'A192CBC-HS384', pemFile('x25519_priv')),

  jwe('jwe-flattened-rsa', 'RSA-OAEP-256', 'A256GCM', rsa, { serialization: 'flattened', envelope: undefined }),
  jwe('jwe-flattened-dir', 'dir', 'A256GCM', hexSecret('flat', 32), { serialization: 'flattened', envelope: undefined }),
  jwe('jwe-parts-renamed', 'RSA-OAEP', 'A256GCM', rsa, {
    serialization: 'parts', envelope: { json: { header: members[0], encryptedKey: members[1], iv: members[2], encryptedPayload: members[3], tag: members[4] } },
  }),
  jwe('jwe-in-document-and-header', 'RSA-OAEP-256', 'A128GCM', rsa, { envelope: { json: { encData: '${jwe}', version: 2 }, headers: { keyId: 'k-1' } } }),
  jwe('jwe-fields', 'dir', 'A256GCM', hexSecret('fields', 32), {
    plaintext: '{"encName":"Zoë","cards":[{"encPan":"4111"},{"encPan":"5500"}],"n":1}', select: { mode: 'fields', paths: ['$.encName', '$.cards[*].encPan'], value_form: 'string' },
  }),
  jwe('jwe-object', 'A256KW', 'A256GCM', hexSecret('object', 32), {
    plaintext: '{"pan":"4111"}', document: '{"card":{"pan":"4111"},"id":1}', select: { mode: 'object', path: '$.card' }, envelope: { json: { enc: '${jwe}' } },
  }),
  {
    id: 'jwe-16-byte-iv', tool: tools.mastercard, plaintext: '{"a":{"b":"Zoë"},"n":2}', secrets: { key: rsa, certificate: pemFile('rsa_cert') },
    profile: { kind: 'jwe', alg: 'RSA-OAEP-256', enc: 'A256GCM', ref: 'key', iv_len: 16, serialization: 'compact', envelope: { json: { encryptedData: '${jwe}' } } },
  },

  ...[['PS256', pemFile('rsa2_priv')], ['ES256', p256], ['ES384', pemFile('p384_priv')], ['EdDSA', pemFile('ed25519_priv')], ['HS256', hexSecret('hs', 32)], ['RS512', pemFile('rsa2_priv')]].map(([alg, sign]) =>
    jwe(`jwe-nested-${alg.toLowerCase()}`, 'RSA-OAEP-256', 'A256GCM', rsa, { secrets: { sign }, nested: { jws: { alg, ref: 'sign' } } })),

  { id: 'pgp-rsa', tool: tools.gpg, plaintext: long, secrets: { pgp: { value: 'keys/pgp_rsa_priv.asc', decode: 'pgpfile' } }, profile: { kind: 'pgp', ref: 'pgp', armor: true } },
  { id: 'pgp-curve25519', tool: tools.gpg, plaintext: payment, secrets: { pgp: { value: 'keys/pgp_ecc_priv.asc', decode: 'pgpfile' } }, profile: { kind: 'pgp', ref: 'pgp', armor: true } },
  {
    id: 'pgp-passphrase', tool: tools.openpgp, plaintext: payment, profile: { kind: 'pgp', ref: 'pgp', passphrase: 'words', armor: true },
    secrets: { pgp: { value: 'keys/pgp_locked_priv.asc', decode: 'pgpfile' }, words: textSecret('long passphrase of the partner') },
  },
];
