// Makes answers.json: for each preset messages that other tools made, and what they say.
//
//	npm ci && npm run make
//
// Needs node 20 or newer and openssl. Nothing here shares code with Keyward. Where the
// known answers of ../../payload/testdata have a message, it is named, not made again.
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { AlipaySdk } from 'alipay-sdk';
import CryptoJS from 'crypto-js';
import * as jose from 'jose';
import { Webhook } from 'svix';
import { conventions } from './conventions.mjs';

const require = createRequire(import.meta.url);
const { hmacValidator } = require('@adyen/api-library');
const { FieldLevelEncryption } = require('mastercard-client-encryption');
const { validateWebhookSignature, validatePaymentVerification } = require('razorpay/dist/utils/razorpay-utils');
const { Formatter, Rsa } = require('wechatpay-axios-plugin');

const version = name => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
const npm = name => `npm ${name} ${version(name)}`;
const node = `node:crypto ${process.version}`;
const keys = '../../payload/testdata/keys/';
const pem = name => readFileSync(new URL(keys + name, import.meta.url), 'utf8');
const rsa = { file: 'rsa_priv.pem' }, signer = { file: 'rsa2_priv.pem' }, ec = { file: 'ec_priv.pem' };
const privateKey = crypto.createPrivateKey(pem('rsa_priv.pem')), publicKey = crypto.createPublicKey(privateKey);
const signingKey = crypto.createPrivateKey(pem('rsa2_priv.pem'));
const ecKey = crypto.createPrivateKey(pem('ec_priv.pem'));

const plaintext = '{"customerId":"C-1029","amount":1250.50,"note":"na\u00efve \u20b9 caf\u00e9"}';
const context = { time: 1767225600, id: 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W', method: 'POST', path: '/v1/hook', query: 'apikey=K1', host: 'api.example.test' };
const answers = [];
const add = (preset, tool, answer) => answers.push({ preset, tool, direction: 'request', plaintext, ...answer });
const both = (preset, tool, request, response) => {
  add(preset, tool, request);
  add(preset, tool, { direction: 'response', ...response });
};
const known = Object.fromEntries(JSON.parse(readFileSync(new URL('../../payload/testdata/vectors.json', import.meta.url))).vectors.map(v => [v.id, v]));
const vector = (preset, id, answer = {}) => {
  if (!known[id]) throw new Error(`there is no known answer ${id}`);
  answers.push({ preset, direction: 'request', vector: id, ...answer });
};

// Ciphers as node:crypto has them.
const seal = (name, key, iv, text, aad) => {
  const cipher = crypto.createCipheriv(name, key, iv);
  if (aad !== undefined) cipher.setAAD(Buffer.from(aad));
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final()]);
  return { iv, ciphertext, tag: name.endsWith('gcm') ? cipher.getAuthTag() : undefined };
};
const cbc = (key, text = plaintext, iv = crypto.randomBytes(16)) => seal(`aes-${key.length * 8}-cbc`, key, iv, text);
const gcm = (key, text = plaintext, iv = crypto.randomBytes(12)) => seal(`aes-${key.length * 8}-gcm`, key, iv, text);
const join = (...parts) => Buffer.concat(parts);
const b64 = bytes => bytes.toString('base64');
const hmac = (key, text, encoding, hash = 'sha256') => crypto.createHmac(hash, key).update(text).digest(encoding);
const digest = (hash, text, encoding) => crypto.createHash(hash).update(text).digest(encoding);
const rsaSHA256 = text => crypto.sign('sha256', Buffer.from(text), signingKey).toString('base64');
const pkcs1 = key => crypto.publicEncrypt({ key: publicKey, padding: crypto.constants.RSA_PKCS1_PADDING }, key);
const openssl = (args, input) => execFileSync('openssl', args, { input });
const opensslVersion = openssl(['version']).toString().split(' (')[0].trim();

// The shared keys.
const key32 = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex');
const key16 = key32.subarray(0, 16);
const text32 = 'an encryption key of 32 letters.', text16 = '16 letters a key';
const hex = { key: { value: key32.toString('hex') } }, base64 = { key: { value: b64(key32) } };

// --- Symmetric, with keys that both sides have.
{
  const { iv, ciphertext, tag } = gcm(key32);
  const upper = bytes => bytes.toString('hex').toUpperCase();
  add('aci_webhook', node, { secrets: hex, body: upper(ciphertext), headers: { 'X-Initialization-Vector': upper(iv), 'X-Authentication-Tag': upper(tag) } });
}
{
  const iv = crypto.randomBytes(8).toString('hex');
  const { ciphertext } = cbc(Buffer.from(digest('md5', 'merchant~:~password', 'hex')), plaintext, Buffer.from(iv));
  add('airpay_v4', node, { secrets: { login: { value: 'merchant~:~password' } }, body: iv + b64(ciphertext) });
}
add('axis_callback_cbc', node, {
  secrets: { key: { value: key16.toString('hex') }, iv: { value: '000102030405060708090a0b0c0d0e0f' } },
  body: b64(cbc(key16, plaintext, Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')).ciphertext), deterministic: true,
});
for (const [preset, secrets, key] of [
  ['branch_webhook', base64, key32], ['kotak', base64, key32], ['ngenius_webhook', { key: { value: text32 } }, Buffer.from(text32)],
]) {
  const { iv, ciphertext } = cbc(key);
  add(preset, node, { secrets, body: b64(join(iv, ciphertext)) });
}
{
  const { iv, ciphertext } = cbc(key32);
  add('iserveu', node, { secrets: base64, body: JSON.stringify({ RequestData: b64(join(iv, ciphertext)) }) });
}
{
  const { iv, ciphertext } = cbc(Buffer.from(digest('sha256', 'mono secret', 'base64').substring(0, 32)));
  add('mono', node, { secrets: { secret: { value: 'mono secret' } }, body: join(iv, ciphertext).toString('hex') });
}
{
  const { iv, ciphertext } = cbc(Buffer.from(text32));
  add('node_cbc', node, { secrets: { key: { value: text32 } }, body: iv.toString('hex') + ':' + ciphertext.toString('hex') });
}
{
  const { iv, ciphertext, tag } = gcm(key32);
  add('aes_gcm_json', node, { secrets: base64, body: JSON.stringify({ iv: b64(iv), tag: b64(tag), data: b64(ciphertext) }, null, 2) });
}
add('signingcloud', npm('crypto-js'), {
  secrets: { secret: { value: 'an API secret' } }, deterministic: true,
  body: CryptoJS.AES.encrypt(plaintext, CryptoJS.SHA256('an API secret'), { mode: CryptoJS.mode.ECB }).ciphertext.toString(),
});
add('java_pbkdf2', node, {
  secrets: { passphrase: { value: 'a passphrase' }, salt: { value: 'a salt for all' } }, deterministic: true,
  body: b64(cbc(crypto.pbkdf2Sync('a passphrase', 'a salt for all', 65536, 32, 'sha256'), plaintext, Buffer.alloc(16)).ciphertext),
});
add('openssl_salted', opensslVersion, {
  secrets: { passphrase: { value: 'a passphrase' } },
  body: openssl(['enc', '-aes-256-cbc', '-a', '-A', '-pass', 'pass:a passphrase'], plaintext).toString(),
});
vector('axis_callback_ecb', 'java-axis-callback-md5-ecb-hex', { secrets: { key: 'pass' } });
vector('ccavenue', 'node-ccavenue', { secrets: { working_key: 'pass', iv: 'iv' } });
// framed surrounds a string as DingTalk and WeCom do: random characters, length, string, receiver, and PKCS #7 for 32 bytes.
const framed = (text, receiver) => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(text));
  const frame = join(Buffer.from(crypto.randomBytes(8).toString('hex')), length, Buffer.from(text), Buffer.from(receiver));
  const missing = 32 - frame.length % 32;
  return join(frame, Buffer.alloc(missing, missing));
};
// callback makes a message of both. The signature is the SHA-1 of the sorted token, time, nonce, and ciphertext.
const callback = (preset, receiver, aesKey, text, body, signature, answered) => {
  const key = Buffer.from(aesKey, 'base64'), token = 'tok123', nonce = 'IqHAQ7r5', at = '1767225600';
  const made = text => {
    const cipher = crypto.createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
    const encrypt = b64(join(cipher.update(framed(text, receiver)), cipher.final()));
    return { encrypt, signature: digest('sha1', [token, at, nonce, encrypt].sort().join(''), 'hex') };
  };
  const given = { secrets: { aes_key: { value: aesKey }, token: { value: token } }, settings: { receiver }, context: { time: 1767225600 } };
  const request = made(text);
  add(preset, node, { ...given, plaintext: text, body: body(request.encrypt), query: { timestamp: at, nonce, [signature]: request.signature } });
  if (!answered) return;
  const answer = made(answered);
  add(preset, node, { ...given, direction: 'response', plaintext: answered, body: JSON.stringify({ msg_signature: answer.signature, timeStamp: at, nonce, encrypt: answer.encrypt }) });
};
callback('dingtalk_callback', 'dingcorp123', '4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij', '{"EventType":"check_url"}', data => JSON.stringify({ encrypt: data }), 'signature', 'success');
callback('wecom_callback', 'wx5823bf96d3bd56c7', 'jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C',
  '<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hello]]></Content></xml>',
  data => `<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>\n<Encrypt><![CDATA[${data}]]></Encrypt>\n<AgentID><![CDATA[218]]></AgentID>\n</xml>\n`, 'msg_signature');
{
  const at = Buffer.alloc(8);
  at.writeBigUInt64BE(BigInt(context.time));
  const { iv, ciphertext } = cbc(key32.subarray(16));
  const signed = join(Buffer.from([0x80]), at, iv, ciphertext);
  const token = b64(join(signed, hmac(key16, signed))).replaceAll('+', '-').replaceAll('/', '_');
  add('fernet', node, { secrets: { key: { value: key32.toString('base64url') } }, body: token });
}
vector('chacha20_poly1305', 'node-chacha20poly1305', { secrets: { key: 'key' } });
vector('cryptojs_key_iv', 'cryptojs-utf8key-utf8iv-b64', { secrets: { key: 'key', iv: 'iv' } });
vector('cryptojs_passphrase', 'cryptojs-passphrase-default', { secrets: { passphrase: 'pass' } });
vector('cryptojs_pbkdf2', 'cryptojs-pbkdf2-sha256-100000-hexsalt-hexiv-b64ct', { secrets: { passphrase: 'pass' } });
vector('flutterwave_v3', 'forge-flutterwave-3des-ecb', { secrets: { encryption_key: 'key' } });
vector('form_fields', 'node-form-fields-gcm', { secrets: { key: 'key' }, settings: { names: 'mobile,otp' } });
vector('java_aes_ecb', 'openssl-aes128ecb-b64', { secrets: { key: 'key' } });
vector('java_gcm', 'node-gcm-nonce-ct-tag-b64', { secrets: { key: 'key' } });
vector('laravel', 'node-laravel-encrypt-then-mac', { secrets: { app_key: 'key' } });
vector('node_gcm', 'node-gcm-hex-iv-tag-ct-colon', { secrets: { key: 'key' } });
vector('openssl_salted_pbkdf2', 'openssl-salted-pbkdf2-10000', { secrets: { passphrase: 'pass' } });
vector('sibs_webhook', 'node-gcm-iv-tag-in-headers-b64', { secrets: { key: 'key' } });
vector('wechatpay_v3', 'node-wechatpay-v3-resource', {
  secrets: { api_v3_key: 'key' }, plaintext: `{"id":"EV-1","event_type":"TRANSACTION.SUCCESS","resource":${known['node-wechatpay-v3-resource'].plaintext}}`,
});

// --- Session keys under RSA.
const hybrid = { bank_public_key: rsa, client_private_key: rsa };
const icici = (apart, service, requestId) => {
  const key = Buffer.from(crypto.randomBytes(8).toString('hex'));
  const { iv, ciphertext } = cbc(key);
  return JSON.stringify({
    requestId, service, encryptedKey: b64(pkcs1(key)), oaepHashingAlgorithm: 'NONE', iv: apart ? b64(iv) : '',
    encryptedData: b64(apart ? ciphertext : join(iv, ciphertext)), clientInfo: '', optionalParam: '',
  });
};
vector('icici_hybrid', 'openssl-icici-hybrid-pkcs1-ivprefix', { secrets: { bank_public_key: 'rsa', client_private_key: 'rsa' }, settings: { service: 'LOP' } });
add('icici_hybrid', node, { direction: 'response', secrets: hybrid, body: icici(false, 'LOP', 'r-1') });
both('icici_hybrid_iv', node, { secrets: hybrid, body: icici(true, '', '') }, { secrets: hybrid, body: icici(true, 'LOP', 'r-1') });
vector('icici_direct', 'openssl-rsa-direct-pkcs1-b64', { secrets: { bank_public_key: 'rsa', client_private_key: 'rsa' } });
vector('icici_direct', 'openssl-rsa-direct-pkcs1-b64', { direction: 'response', secrets: { bank_public_key: 'rsa', client_private_key: 'rsa' } });
const field = { secrets: { bank_public_key: 'rsa', client_private_key: 'rsa' }, settings: { fields: '$.APIReqTranID,$.BankTransactionID,$.Comment,$.payer.account.number,$.items[*].pan' } };
field.plaintext = known['node-xsessionkey-field-level-nested-arrays'].plaintext.replace('159120269', '"159120269"'); // numbers become strings
vector('bank_field_level', 'node-xsessionkey-field-level-nested-arrays', field);
vector('bank_field_level', 'node-xsessionkey-field-level-nested-arrays', { direction: 'response', ...field });
{
  const secrets = { bank_public_key: rsa, client_signing_key: signer, client_private_key: rsa, bank_signing_certificate: signer };
  vector('hdfc', 'hdfc-jws-in-cbc-iv-inside-plaintext', { secrets, settings: { scope: 'TESTSCOPE' } });
  const key = Buffer.from(crypto.randomBytes(16).toString('hex'));
  const jws = await new jose.CompactSign(Buffer.from(plaintext)).setProtectedHeader({ alg: 'RS256' }).sign(signingKey);
  const { ciphertext } = cbc(key, join(crypto.randomBytes(16), Buffer.from(jws)), Buffer.alloc(16));
  add('hdfc', `${npm('jose')}, ${node}`, {
    direction: 'response', secrets, settings: { scope: 'TESTSCOPE' },
    body: JSON.stringify({
      ResponseSignatureEncryptedValue: b64(ciphertext), GWSymmetricKeyEncryptedValue: b64(pkcs1(key)),
      Scope: 'TESTSCOPE', TransactionId: '2244167897', Status: 'SUCCESS',
    }),
  });
}
{
  const secrets = { partner_public_key: rsa, client_private_key: rsa };
  const make = () => {
    const key = crypto.randomBytes(32), { iv, ciphertext, tag } = gcm(key);
    const wrapped = openssl(['pkeyutl', '-encrypt', '-inkey', new URL(keys + 'rsa_priv.pem', import.meta.url).pathname,
      '-pkeyopt', 'rsa_padding_mode:oaep', '-pkeyopt', 'rsa_oaep_md:sha256', '-pkeyopt', 'rsa_mgf1_md:sha1'], key);
    return { secrets, body: JSON.stringify({ key: b64(wrapped), iv: b64(iv), data: b64(join(ciphertext, tag)) }) };
  };
  both('java_rsa_oaep_default', opensslVersion, make(), make());
}
const mastercard = { mastercard_public_key: { file: 'rsa_priv.pem' }, client_private_key: rsa };
const fle = (headers, fingerprint) => new FieldLevelEncryption({
  paths: [{ path: '/', toEncrypt: [{ element: '$', obj: '$' }], toDecrypt: [{ element: '$', obj: '$' }] }],
  oaepPaddingDigestAlgorithm: 'SHA-256', dataEncoding: 'hex', encryptedValueFieldName: 'encryptedData',
  ...(headers
    ? { ivHeaderName: 'x-iv', encryptedKeyHeaderName: 'x-encrypted-key', oaepHashingAlgorithmHeaderName: 'x-oaep-hashing-algorithm', publicKeyFingerprintHeaderName: 'x-public-key-fingerprint' }
    : { ivFieldName: 'iv', encryptedKeyFieldName: 'encryptedKey', publicKeyFingerprintFieldName: 'publicKeyFingerprint', oaepHashingAlgorithmFieldName: 'oaepHashingAlgorithm' }),
  useCertificateContent: true, encryptionCertificate: pem('rsa_cert.pem'), privateKey: pem('rsa_priv.pem'), publicKeyFingerprintType: fingerprint,
});
const masterPlain = '{"accountNumber":"5123456789012345","expiryYear":"30"}';
for (const headers of [false, true]) {
  const make = () => {
    const header = {}, made = fle(headers, 'publicKey').encrypt('/', header, JSON.parse(masterPlain));
    return { secrets: mastercard, plaintext: masterPlain, body: JSON.stringify(made.body), ...(headers ? { headers: made.header } : {}) };
  };
  both(headers ? 'mastercard_fle_headers' : 'mastercard_fle', npm('mastercard-client-encryption'), make(), make());
}
{
  const secrets = { mastercard_public_key: { file: 'rsa_priv.pem rsa_cert.pem' }, client_private_key: rsa };
  const path = '$.fundingAccountInfo.encryptedPayload', settings = { request_path: path, response_path: path };
  const plaintext = `{"requestId":"123456","fundingAccountInfo":{"encryptedPayload":${known['mastercard-fle-sha256-hex'].plaintext}}}`;
  for (const direction of ['request', 'response']) vector('mastercard_fle_object', 'mastercard-fle-sha256-hex', { direction, secrets, settings, plaintext });
}
{
  const secrets = { private_key: 'rsa' };
  vector('whatsapp_flows', 'node-whatsapp-flows-request', { secrets });
  vector('whatsapp_flows', 'node-whatsapp-flows-reply', { direction: 'response', secrets: { private_key: rsa }, exchange: { key: 'key', iv: 'peer_iv' } });
}

// --- JOSE.
const jwe = (alg, enc, key, header = {}, text = plaintext) =>
  new jose.CompactEncrypt(Buffer.from(text)).setProtectedHeader({ alg, enc, ...header }).encrypt(key);
const sign = (alg, header = {}) =>
  new jose.CompactSign(Buffer.from(plaintext)).setProtectedHeader({ alg, ...header }).sign(signingKey);
const josePair = { partner_public_key: rsa, client_private_key: rsa };
vector('jwe_dir', 'jose-dir-a256gcm', { secrets: { key: 'key' } });
add('jwe_a256kw', npm('jose'), { secrets: base64, body: await jwe('A256KW', 'A256GCM', key32) });
add('jwe_a256gcmkw', npm('jose'), { secrets: base64, body: await jwe('A256GCMKW', 'A256GCM', key32) });
for (const [preset, alg] of [['jwe_rsa_oaep', 'RSA-OAEP'], ['jwe_rsa_oaep_256', 'RSA-OAEP-256']]) {
  const make = async () => ({ secrets: josePair, body: await jwe(alg, 'A256GCM', publicKey, { kid: 'k-1' }) });
  both(preset, npm('jose'), await make(), await make());
}
const x25519 = crypto.generateKeyPairSync('x25519');
for (const [preset, alg] of [['jwe_ecdh_es', 'ECDH-ES'], ['jwe_ecdh_es_a256kw', 'ECDH-ES+A256KW']]) {
  const x = { value: x25519.privateKey.export({ format: 'pem', type: 'pkcs8' }) };
  both(preset, npm('jose'),
    { secrets: { partner_public_key: ec, client_private_key: ec }, body: await jwe(alg, 'A256GCM', crypto.createPublicKey(ecKey)) },
    { secrets: { partner_public_key: x, client_private_key: x }, body: await jwe(alg, 'A256GCM', x25519.publicKey) });
}
{
  const secrets = { partner_public_key: rsa, client_signing_key: signer, client_private_key: rsa, partner_signing_key: signer };
  const settings = { key_id: 'bank-1', signing_key_id: 'us-1' };
  vector('jwe_nested_jws', 'jose-nested-sign-then-encrypt', { secrets, settings });
  vector('jwe_nested_jws', 'jose-nested-sign-then-encrypt', { direction: 'response', secrets, settings });
  const make = async () => ({ secrets, settings, body: await jwe('RSA-OAEP', 'A256GCM', publicKey, { kid: 'bank-1' }, await sign('PS256', { kid: 'us-1' })) });
  both('uae_pii', npm('jose'), await make(), await make());
}
{
  const secrets = { client_signing_key: signer, partner_signing_key: signer }, settings = { key_id: 'k-1' };
  both('brazil_jws', npm('jose'), { secrets, settings, body: await sign('PS256', { typ: 'JWT', kid: 'k-1' }) }, { secrets, settings, body: await sign('PS256', { kid: 'theirs' }) });
  both('jws_body', npm('jose'), { secrets, settings, body: await sign('RS256', { kid: 'k-1' }) }, { secrets, settings, body: await sign('RS256', { kid: 'theirs' }) });
  vector('detached_jws', 'jose-detached-jws-b64false-rs256', { secrets, settings });
  const detached = await new jose.FlattenedSign(Buffer.from(plaintext)).setProtectedHeader({ alg: 'RS256', b64: false, crit: ['b64'] }).sign(signingKey);
  add('detached_jws', npm('jose'), { direction: 'response', secrets, settings, body: plaintext, headers: { 'x-jws-signature': `${detached.protected}..${detached.signature}` }, deterministic: true });
}
{
  const secrets = { juspay_public_key: 'rsa', client_private_key: 'rsa' }, settings = { key_id: 'K1', signing_key_id: 'S1' };
  for (const direction of ['request', 'response']) vector('juspay_payout', 'jose-juspay-payout-rsaoaep-a128cbchs256', { direction, secrets, settings });
  const body = JSON.stringify({ encCard: await jwe('dir', 'A256GCM', key32, { kid: 'sk-1' }, '{"pan":"4111111111111111"}'), other: 1 });
  add('juspay_fields', npm('jose'), { secrets: base64, settings: { fields: '$.encCard', key_id: 'sk-1' }, plaintext: '{"encCard":{"pan":"4111111111111111"},"other":1}', body });
}
{
  const secrets = { juspay_public_key: rsa, client_signing_key: signer, client_private_key: rsa, juspay_signing_key: signer }, settings = { key_id: 'key_1' };
  const make = async () => {
    const [header, payload, signature] = (await sign('RS256', { kid: 'key_1' })).split('.');
    const parts = (await jwe('RSA-OAEP-256', 'A256GCM', publicKey, { kid: 'key_1' }, JSON.stringify({ header, payload, signature }))).split('.');
    return { secrets, settings, body: JSON.stringify({ header: parts[0], encryptedKey: parts[1], iv: parts[2], encryptedPayload: parts[3], tag: parts[4] }) };
  };
  both('juspay_jwt', npm('jose'), await make(), await make());
}
{
  const encryption = 'an encryption password of 32 ch.', signing = 'a signing password with 33 chars.';
  const secrets = { encryption_password: { value: encryption }, signing_password: { value: signing } };
  const settings = { client_id: 'C', key_id: 'E', signing_key_id: 'S' };
  const make = async (encrypted, signed) => ({
    secrets, settings,
    body: await new jose.CompactSign(Buffer.from(await jwe('dir', 'A256GCM', Buffer.from(encryption), encrypted)))
      .setProtectedHeader({ alg: 'HS256', ...signed }).sign(Buffer.from(signing)),
  });
  both('billdesk', npm('jose'), await make({ kid: 'E', clientid: 'C' }, { kid: 'S', clientid: 'C' }), await make({ kid: 'E', clientid: 'C' }, { kid: 'S', clientid: 'C' }));
}
{
  const header = Buffer.from(JSON.stringify({ alg: 'ES512', kid: 'k-1', tl_version: '2', tl_headers: 'Idempotency-Key' })).toString('base64url');
  const payload = Buffer.from(`${context.method} ${context.path}\nIdempotency-Key: ${context.id}\n${plaintext}`).toString('base64url');
  const signature = crypto.sign('sha512', Buffer.from(`${header}.${payload}`), { key: pem('p521_priv.pem'), dsaEncoding: 'ieee-p1363' }).toString('base64url');
  add('truelayer', node, {
    secrets: { client_signing_key: { file: 'p521_priv.pem' } }, settings: { key_id: 'k-1' }, body: plaintext, context,
    headers: { 'Idempotency-Key': context.id, 'Tl-Signature': `${header}..${signature}` },
  });
}
{
  const make = async () => ({ secrets: mastercard, plaintext: masterPlain, body: JSON.stringify({ encryptedData: await jwe('RSA-OAEP-256', 'A256GCM', publicKey, { kid: digest('sha256', publicKey.export({ format: 'der', type: 'spki' }), 'hex'), cty: 'application/json' }, masterPlain) }) });
  both('mastercard_jwe', npm('jose'), await make(), await make());
  const secrets = { mastercard_public_key: 'rsa', client_private_key: 'rsa' };
  for (const direction of ['request', 'response']) vector('mastercard_jwe_node', 'mastercard-jwe-16byte-iv', { direction, secrets });
}
{
  const secrets = { visa_public_key: rsa, client_private_key: rsa }, make = async (name, enc, header) => JSON.stringify({ [name]: await jwe('RSA-OAEP-256', enc, publicKey, header) });
  both('visa_acceptance_mle', npm('jose'),
    { secrets, settings: { key_id: '1234567890' }, body: await make('encryptedRequest', 'A256GCM', { cty: 'JWT', kid: '1234567890', iat: context.time }) },
    { secrets, settings: { key_id: '1234567890' }, body: await make('encryptedResponse', 'A256GCM', { kid: 'r-1' }) });
  vector('visa_mle', 'jose-visa-mle-rsaoaep256-a128gcm', { secrets: { visa_public_key: 'rsa', client_private_key: 'rsa' }, settings: { key_id: 'key-id-1' } });
  add('visa_mle', npm('jose'), { direction: 'response', secrets, settings: { key_id: 'key-id-1' }, body: await make('encData', 'A128GCM', { kid: 'key-id-1', iat: context.time * 1000 }) });
  const value = await jwe('A256GCMKW', 'A256GCM', crypto.createHash('sha256').update('visa shared secret').digest(), { kid: 'API-1', typ: 'JOSE', channelSecurityContext: 'SHARED_SECRET', iat: context.time }, '{"pan":"4111111111111111"}');
  add('visa_vts', npm('jose'), {
    secrets: { shared_secret: { value: 'visa shared secret' } }, settings: { api_key: 'API-1' },
    plaintext: '{"clientId":"c","encPaymentInstrument":{"pan":"4111111111111111"}}', body: `{"clientId":"c","encPaymentInstrument":"${value}"}`,
  });
}
vector('openpgp', 'openpgp-armored-ecc', { secrets: { partner_public_key: 'pgp', client_private_key: 'pgp' } });
vector('openpgp', 'openpgp-armored-ecc', { direction: 'response', secrets: { partner_public_key: 'pgp', client_private_key: 'pgp' } });

// --- CMS of openssl, and other values under a public key.
const cms = (args, text) => b64(openssl(['cms', '-encrypt', '-binary', '-outform', 'DER', '-aes-256-cbc', '-recip', new URL(keys + 'rsa_cert.pem', import.meta.url).pathname, ...args], text));
const certified = { file: 'rsa_priv.pem rsa_cert.pem' };
{
  const secrets = { partner_certificate: certified, client_private_key: certified };
  both('cms_enveloped', opensslVersion, { secrets, body: cms([], plaintext) }, { secrets, body: cms(['-stream'], plaintext) });
  const value = '{"pan":"5413339000001513"}', settings = { fields: '$.encryptedData' };
  const make = () => ({
    secrets: { thales_certificate: certified, client_private_key: certified }, settings, plaintext: `{"requestId":"1","encryptedData":${value}}`,
    body: `{"requestId":"1","encryptedData":"${cms(['-keyopt', 'rsa_padding_mode:oaep', '-keyopt', 'rsa_oaep_md:sha256'], value)}"}`,
  });
  both('thales_xpay', opensslVersion, make(), make());
}
{
  const value = known['openpgp-armored-ecc'].plaintext, armored = b64(Buffer.from(known['openpgp-armored-ecc'].output.body));
  const key = { value: b64(Buffer.from(pem('pgp_priv.asc'))) };
  const plain = { secrets: { circle_public_key: key }, settings: { fields: '$.encryptedData' } };
  both('circle', known['openpgp-armored-ecc'].tool,
    { ...plain, plaintext: `{"keyId":"key1","encryptedData":${value}}`, body: `{"keyId":"key1","encryptedData":"${armored}"}` }, { ...plain, body: plaintext });
}
{
  const secrets = { safaricom_certificate: certified };
  both('mpesa_daraja', node,
    { secrets, plaintext: '{"InitiatorName":"apiop","SecurityCredential":"a throwaway","Amount":10}', body: `{"InitiatorName":"apiop","SecurityCredential":"${b64(pkcs1(Buffer.from('a throwaway')))}","Amount":10}` },
    { secrets, body: plaintext });
}
both('nic_einvoice', node,
  { secrets: { sek: { value: b64(key32) } }, body: JSON.stringify({ Data: b64(seal('aes-256-ecb', key32, null, b64(Buffer.from(plaintext))).ciphertext) }), deterministic: true },
  { secrets: { sek: { value: b64(key32) } }, body: plaintext, deterministic: true });

// --- Payment tokens, which are encrypted under an agreed key.
const agree = () => {
  const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return { spki, point: spki.subarray(-65), shared: crypto.diffieHellman({ privateKey, publicKey: crypto.createPublicKey(ecKey) }) };
};
{
  const { point, shared } = agree();
  const derived = Buffer.from(crypto.hkdfSync('sha256', join(point, shared), Buffer.alloc(0), 'Google', 64));
  const { ciphertext } = seal('aes-256-ctr', derived.subarray(0, 32), Buffer.alloc(16), plaintext);
  const secrets = { private_key: ec };
  both('google_pay_ecv2', node,
    { secrets, body: JSON.stringify({ encryptedMessage: b64(ciphertext), ephemeralPublicKey: b64(point), tag: hmac(derived.subarray(32), ciphertext, 'base64') }) }, { secrets, body: plaintext });
}
{
  const { spki, shared } = agree(), merchant_id = 'merchant.com.example';
  const info = join(Buffer.from('\x0did-aes256-GCMApple'), crypto.createHash('sha256').update(merchant_id).digest());
  const key = crypto.createHash('sha256').update(join(Buffer.from([0, 0, 0, 1]), shared, info)).digest();
  const { ciphertext, tag } = gcm(key, plaintext, Buffer.alloc(16));
  const header = { ephemeralPublicKey: b64(spki), publicKeyHash: digest('sha256', spki, 'base64'), transactionId: '31323334353637' };
  const secrets = { private_key: ec }, settings = { merchant_id };
  both('apple_pay_ec_v1', node,
    { secrets, settings, body: JSON.stringify({ version: 'EC_v1', data: b64(join(ciphertext, tag)), signature: b64(Buffer.from('a signature by Apple')), header }) }, { secrets, settings, body: plaintext });
}

// --- Alipay: requests as its SDK sends them.
{
  let sent;
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', chunk => chunks.push(chunk));
    request.on('end', () => {
      sent = { headers: request.headers, method: request.method, path: request.url, body: Buffer.concat(chunks).toString() };
      response.end('{}');
    });
  }).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const sdk = new AlipaySdk({
    appId: '2021000000000000', privateKey: signingKey.export({ format: 'pem', type: 'pkcs1' }), alipayPublicKey: pem('rsa2_pub.pem'),
    encryptKey: b64(key16), endpoint: `http://127.0.0.1:${server.address().port}`, camelcase: false,
  });
  await sdk.curl('POST', '/v3/alipay/user/deloauth/detail/query', { body: JSON.parse(plaintext), needEncrypt: true }).catch(() => {});
  server.close();
  const secrets = { key: { value: b64(key16) }, client_private_key: signer, alipay_public_key: signer };
  const [, nonce, time] = sent.headers.authorization.match(/nonce=([^,]+),timestamp=(\d+)/);
  const aes = text => CryptoJS.AES.encrypt(text, CryptoJS.enc.Base64.parse(b64(key16)), { iv: CryptoJS.enc.Hex.parse('00'.repeat(16)) }).toString();
  add('alipay_v3', npm('alipay-sdk'), {
    secrets, settings: { app_id: '2021000000000000' }, plaintext: JSON.stringify(JSON.parse(plaintext)), body: sent.body, deterministic: true,
    context: { ...context, id: nonce, time: Number(time) / 1000, method: sent.method, path: sent.path },
    headers: { authorization: sent.headers.authorization, 'alipay-encrypt-type': sent.headers['alipay-encrypt-type'], 'alipay-encryption-algm': sent.headers['alipay-encryption-algm'] },
  });
  const body = aes(plaintext), stamp = `${context.time}000`;
  add('alipay_v3', `${npm('crypto-js')}, ${node}`, {
    direction: 'response', secrets, settings: { app_id: '2021000000000000' }, context, body,
    headers: { 'alipay-timestamp': stamp, 'alipay-nonce': context.id, 'alipay-signature': rsaSHA256(`${stamp}\n${context.id}\n${body}\n`) }, deterministic: true,
  });
  const settings = { response_path: '$.alipay_trade_query_response' };
  add('alipay', npm('crypto-js'), {
    secrets: { key: { value: b64(key16) } }, settings, deterministic: true,
    plaintext: new URLSearchParams({ method: 'alipay.trade.query', biz_content: plaintext }).toString().replace(/\*/g, '%2A'),
    body: new URLSearchParams({ method: 'alipay.trade.query', biz_content: aes(plaintext) }).toString(),
  });
  add('alipay', npm('crypto-js'), {
    direction: 'response', secrets: { key: { value: b64(key16) } }, settings,
    plaintext: `{"alipay_trade_query_response":${plaintext},"sign":"s"}`, body: `{"alipay_trade_query_response":"${body}","sign":"s"}`, deterministic: true,
  });
}

// --- Signatures.
const signed = (preset, tool, answer) => add(preset, tool, { context, body: answer.plaintext ?? plaintext, deterministic: true, ...answer });
const secret = { value: 'a secret of the webhook' };
signed('adyen_webhook', npm('@adyen/api-library'), { secrets: { hmac_key: { value: key32.toString('hex') } }, headers: { HmacSignature: new hmacValidator().calculateHmac(plaintext, key32.toString('hex')) } });
{
  const signature = hmac(secret.value, plaintext, 'hex');
  if (!validateWebhookSignature(plaintext, signature, secret.value)) throw new Error('razorpay: the webhook is not valid');
  signed('razorpay', npm('razorpay'), { secrets: { secret }, headers: { 'X-Razorpay-Signature': signature } });
  const payment = { razorpay_order_id: 'order_1', razorpay_payment_id: 'pay_1' };
  const own = hmac(secret.value, 'order_1|pay_1', 'hex');
  if (!validatePaymentVerification({ order_id: 'order_1', payment_id: 'pay_1' }, own, secret.value)) throw new Error('razorpay: the payment is not valid');
  signed('razorpay_payment', npm('razorpay'), { secrets: { key_secret: secret }, plaintext: JSON.stringify(payment), headers: { 'X-Razorpay-Signature': own } });
}
signed('shopify', node, { secrets: { client_secret: secret }, headers: { 'X-Shopify-Hmac-Sha256': hmac(secret.value, plaintext, 'base64') } });
signed('slack', node, {
  secrets: { signing_secret: secret },
  headers: { 'X-Slack-Request-Timestamp': String(context.time), 'X-Slack-Signature': 'v0=' + hmac(secret.value, `v0:${context.time}:${plaintext}`, 'hex') },
});
{
  const whsec = 'whsec_' + b64(key32);
  signed('svix', npm('svix'), {
    secrets: { secret: { value: whsec } },
    headers: { 'svix-id': context.id, 'svix-timestamp': String(context.time), 'svix-signature': new Webhook(whsec).sign(context.id, new Date(context.time * 1000), plaintext) },
  });
  const pair = crypto.generateKeyPairSync('ed25519');
  signed('standard_webhooks_ed25519', node, {
    secrets: { key: { value: pair.privateKey.export({ format: 'pem', type: 'pkcs8' }) } },
    headers: {
      'webhook-id': context.id, 'webhook-timestamp': String(context.time),
      'webhook-signature': 'v1a,' + b64(crypto.sign(null, Buffer.from(`${context.id}.${context.time}.${plaintext}`), pair.privateKey)),
    },
  });
}
{
  const secrets = { client_signing_key: signer, server_public_key: signer };
  signed('bunq', node, { secrets, headers: { 'X-Bunq-Client-Signature': rsaSHA256(plaintext) } });
  signed('bunq', node, { direction: 'response', secrets, headers: { 'X-Bunq-Server-Signature': rsaSHA256(plaintext) } });
}
{
  const secrets = { merchant_private_key: signer, wechatpay_public_key: signer }, settings = { merchant_id: '1900000001', serial: '1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C' };
  const signature = Rsa.sign(Formatter.request(context.method, context.path, context.time, context.id, plaintext), signingKey);
  signed('wechatpay_sign', npm('wechatpay-axios-plugin'), {
    secrets, settings, headers: { Authorization: Formatter.authorization(settings.merchant_id, context.id, signature, context.time, settings.serial) },
  });
  signed('wechatpay_sign', npm('wechatpay-axios-plugin'), {
    direction: 'response', secrets, settings,
    headers: { 'Wechatpay-Timestamp': String(context.time), 'Wechatpay-Nonce': context.id, 'Wechatpay-Signature': Rsa.sign(Formatter.response(context.time, context.id, plaintext), signingKey) },
  });
}
{
  const body = JSON.stringify({ response: b64(Buffer.from(plaintext)) });
  add('phonepe_callback', node, {
    secrets: { salt_key: secret }, body, context, deterministic: true,
    headers: { 'X-VERIFY': digest('sha256', b64(Buffer.from(plaintext)) + secret.value, 'hex') + '###1' },
  });
}
vector('fyno', 'fyno-hmac-json', { secrets: { secret: 's' } });
vector('github', 'github-hub-256', { secrets: { secret: 's' } });
vector('hmac_header', 'github-hub-256', { secrets: { secret: 's' }, settings: { header: 'X-Hub-Signature-256', prefix: 'sha256=' } });
vector('payu', 'payu-sha512-pipe', { secrets: { salt: 's' } });
vector('phonepe', 'phonepe-x-verify', { secrets: { salt_key: 's' } });
vector('standard_webhooks', 'standardwebhooks-v1', { secrets: { secret: 's' } });
vector('stripe', 'stripe-signature', { secrets: { secret: 's' } });
vector('visa_x_pay_token', 'visa-x-pay-token', { secrets: { shared_secret: 's' } });
for (const direction of ['request', 'response'])
  vector('rsa_sha256_header', 'rs256-header-b64', { direction, secrets: { client_signing_key: signer, partner_signing_key: signer }, settings: { header: 'X-Signature' } });

await conventions({ signed, npm, node, pem, context });

answers.sort((a, b) => a.preset < b.preset ? -1 : a.preset > b.preset ? 1 : 0);
process.stdout.write(JSON.stringify(answers, null, 2) + '\n');
