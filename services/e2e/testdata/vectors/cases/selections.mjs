// Parts of a body: JSON values, one object, and form fields.
import { asText, blob, hexSecret, pemFile, tools } from './words.mjs';

const gcm = { content: { alg: 'AES-256-GCM', padding: 'none', tag_len: 16 }, key: { ref: 'key' }, iv: { source: 'random', len: 12, scope: 'value' } };
function selected(id, tool, select, plaintext, rest = {}) {
  const { legacy, secrets, document, ...profile } = rest;
  return {
    id, tool, plaintext, document, legacy, secrets: { key: hexSecret(id, 32), ...secrets },
    profile: { kind: 'cipher', select, ...gcm, envelope: asText(['iv', 'ct', 'tag']), ...profile },
  };
}
const order = '{"id":"o-1","payer":{"name":"Zoë \\"Z\\" 🎯","pan":"4111111111111111","tags":["a",2,null,true,{"b":[1,2]}]},"items":[{"sku":"A","price":12.5,"note":""},{"sku":"B","price":0}],"a b":{"c.d":"x"}}';
const session = { key: { session: { len: 32, form: 'raw', scope: 'message' } }, wrap: { alg: 'RSA-OAEP', hash: 'sha256', mgf: 'sha256', ref: 'rsa' } };

export const selections = [
  selected('fields-json-types', tools.node, { mode: 'fields', paths: ['$.payer', '$.items[*].price', "$['a b']['c.d']"], value_form: 'json' }, order),
  selected('fields-default-form', tools.java, { mode: 'fields', paths: ['$.payer.tags[*]', '$.items[1]'] }, order),
  selected('fields-index-and-wildcard', tools.pyca, { mode: 'fields', paths: ['$.items[0].sku', '$.items[1].price', '$.payer.tags[4].b[*]'], value_form: 'string' }, order),
  selected('fields-all-members', tools.node, { mode: 'fields', paths: ['$.payer[*]'], value_form: 'json' }, '{"payer":{"a":"1","b":{"c":2}},"rest":[]}'),
  selected('fields-missing-skipped', tools.node, { mode: 'fields', paths: ['$.payer.pan', '$.payer.cvv', '$.none[*].x'], value_form: 'string', on_missing: 'skip' }, order),
  selected('fields-empty-skipped', tools.node, { mode: 'fields', paths: ['$.items[*].note', '$.id'], value_form: 'string', skip_empty: true, on_missing: 'skip' }, order),
  selected('fields-array-document', tools.node, { mode: 'fields', paths: ['$[*].pan', '$[1].cvv'], value_form: 'string' }, '[{"pan":"4111","cvv":"1"},{"pan":"5500","cvv":"2"}]'),
  selected('fields-hex-text-with-separator', tools.node, { mode: 'fields', paths: ['$.id'], value_form: 'string' }, order, {
    envelope: { text: 'enc(${i}:${t}:${c})', blobs: { i: blob(['iv'], 'hex'), t: blob(['tag'], 'hex'), c: blob(['ct'], 'hexupper') } },
  }),
  selected('fields-chacha20', tools.pyca, { mode: 'fields', paths: ['$.payer.name'], value_form: 'json' }, order, { content: { alg: 'CHACHA20-POLY1305' }, iv: { source: 'random' } }),
  selected('fields-cbc-hmac', tools.openssl, { mode: 'fields', paths: ['$.payer.pan', '$.id'], value_form: 'string' }, order, {
    content: { alg: 'AES-256-CBC', padding: 'pkcs7' }, iv: { source: 'random', len: 16, scope: 'value' }, mac: { alg: 'HMAC-SHA256', ref: 'key', input: '${c}' },
    envelope: { text: '${c}.${m}', blobs: { c: blob(['iv', 'ct']), m: blob(['mac'], 'hex') } },
  }),
  selected('fields-session-key-in-header', tools.node, { mode: 'fields', paths: ['$.payer.pan', '$.items[*].sku'], value_form: 'string', on_missing: 'error' }, order, {
    ...session, secrets: { rsa: pemFile('rsa_priv') },
    envelope: { ...asText(['iv', 'ct', 'tag']), blobs: { c: blob(['iv', 'ct', 'tag']), k: blob(['wrapped_key'], 'base64url') }, headers: { 'X-Key': '${k}' } },
  }),
  selected('fields-session-key-in-each-value', tools.node, { mode: 'fields', paths: ['$.payer.pan', '$.items[*].sku'], value_form: 'string' }, order, {
    ...session, key: { session: { len: 32, form: 'raw', scope: 'value' } }, secrets: { rsa: pemFile('rsa_priv') },
    envelope: { text: '${k}.${c}', blobs: { k: blob(['wrapped_key']), c: blob(['iv', 'ct', 'tag']) } },
  }),
  selected('fields-ecb-deterministic', tools.java, { mode: 'fields', paths: ['$.payer.pan', '$.id'], value_form: 'string' }, order, {
    legacy: true, content: { alg: 'AES-256-ECB', padding: 'pkcs7' }, iv: { source: 'none' }, envelope: asText(['ct'], 'hex'),
  }),

  selected('object-nested-as-text', tools.node, { mode: 'object', path: '$.payer.card' }, '{"pan":"4111","cvv":"123"}', { document: '{"a":[1,2],"payer":{"n":"x","card":{"pan":"4111","cvv":"123"}},"z":null}' }),
  selected('object-nested-as-document', tools.pyca, { mode: 'object', path: '$.outer.inner.secret' }, '{"list":[1,{"x":"ü"}],"n":0}', {
    document: '{"outer":{"inner":{"before":true,"secret":{"list":[1,{"x":"ü"}],"n":0}},"after":[]}}',
    envelope: { json: { alg: 'A256GCM', iv: '${i}', ct: '${c}' }, blobs: { i: blob(['iv'], 'hex'), c: blob(['ct', 'tag'], 'hex') } },
  }),
  selected('object-that-is-a-string', tools.node, { mode: 'object', path: '$.secret' }, '"just text"', { document: '{"secret":"just text","more":1}' }),

  selected('form-several', tools.node, { mode: 'form_fields', names: ['pan', 'cvv'] }, 'pan=4111+1111&name=Zo%C3%AB+%26+Co&cvv=1%2B2%3D3&pan=5500', { content_type: 'application/x-www-form-urlencoded' }),
  selected('form-missing-and-empty', tools.java, { mode: 'form_fields', names: ['otp', 'pin', 'mobile'], on_missing: 'skip', skip_empty: true }, 'otp=&mobile=%2B49+123&x=1', {
    content_type: 'application/x-www-form-urlencoded', envelope: asText(['iv', 'ct', 'tag'], 'base64url'),
  }),
  selected('form-json-template-text', tools.node, { mode: 'form_fields', names: ['data'] }, 'data=%7B%22a%22%3A1%7D&v=1', {
    content_type: 'application/x-www-form-urlencoded', envelope: { text: '${i}|${c}|${t}', blobs: { i: blob(['iv']), c: blob(['ct']), t: blob(['tag']) } },
  }),
];
