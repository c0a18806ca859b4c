// Makes conventions.json: messages signed as partners sign them, by node:crypto, with the
// configurations that sign and verify them.
//
//	node conventions.mjs
//
// Nothing here shares code with Keyward. The keys are throwaway keys.
import crypto from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const at = 1796083200; // 2026-12-01T00:00:00Z
const rfc3339 = '2026-12-01T00:00:00Z', jakarta = '2026-12-01T07:00:00+07:00', amzDate = '20261201T000000Z', httpDate = 'Tue, 01 Dec 2026 00:00:00 GMT';
const pem = name => readFileSync(new URL(`keys/${name}`, import.meta.url), 'utf8');
const hash = (name, text, encoding) => crypto.createHash(name).update(text).digest(encoding);
const hmac = (name, key, text, encoding) => crypto.createHmac(name, key).update(text).digest(encoding);
const rsa = text => crypto.sign('sha256', Buffer.from(text), pem('rsa_priv.pem')).toString('base64');
const key = (decoding, name = 'key') => ({ name: `workspaces/acme/secrets/${name}`, ...(decoding ? { decoding: `DECODING_${decoding}` } : {}) });
const mac = name => ({ mac: { algorithm: `ALGORITHM_HMAC_${name}` } });
const rsaSHA256 = { asymmetric: { algorithm: 'ALGORITHM_RSA_PKCS1V15_SHA256' } };
const computed = { computed: {} };
const base = { time: at, method: 'POST', host: 'api.example.test', path: '/v1/payments', contentType: 'application/json' };

const all = [];
const add = (id, c) => all.push({
  id, body: '', deterministic: true, ...c,
  encryption: { request: c.profile ?? { plain: {}, signing: { keys: [key()], ...c.signing } } },
  context: { ...base, ...c.context }, secrets: c.secrets ?? { key: 'a throwaway secret of the partner' },
  profile: undefined, signing: undefined,
});
const secret = 'a throwaway secret of the partner';

{ // Transfers of Indonesian banks (SNAP BI).
  const body = '{\n  "amount": {"value": "10000.00", "currency": "IDR"}\n}', token = 'token.of.the-call';
  const signed = `POST:/v1/payments:${token}:${hash('sha256', JSON.stringify(JSON.parse(body)), 'hex')}:${jakarta}`;
  add('snap_bi', {
    body, context: { values: { token } },
    signing: {
      ...mac('SHA512'), encoding: 'ENCODING_BASE64',
      values: { stamp: "time('2006-01-02T15:04:05-07:00', '+07:00')", token: "context('token')" },
      inputExpression: `method + ':' + path + ':' + token + ':' + lower(hex(sha256(minify(body)))) + ':' + stamp`,
      headers: { 'X-TIMESTAMP': '${stamp}', 'X-SIGNATURE': '${signature}', Authorization: 'Bearer ${token}' },
    },
    sent: { headers: { 'X-TIMESTAMP': jakarta, 'X-SIGNATURE': hmac('sha512', secret, signed, 'base64'), Authorization: `Bearer ${token}` } },
  });
}
{ // Rapyd.
  const body = '{"amount":100,"currency":"USD"}', salt = 'abcdefgh12345678';
  const signed = `post/v1/payments${salt}${at}ACCESSKEY${secret}${body}`;
  add('rapyd', {
    body, context: { id: salt },
    signing: {
      ...computed, constants: { account: 'ACCESSKEY' }, values: { access: 'account' },
      inputExpression: 'base64(hex(hmac_sha256(secret, lower(method) + path + id + timestamp + access + secret + body)))',
      headers: { access_key: '${access}', salt: '${id}', timestamp: '${timestamp}', signature: '${signature}' },
    },
    sent: { headers: { access_key: 'ACCESSKEY', salt, timestamp: String(at), signature: Buffer.from(hmac('sha256', secret, signed, 'hex')).toString('base64') } },
  });
}
{ // Antom and Alipay+.
  const body = '{"order":{"orderAmount":{"currency":"CNY","value":"100"}}}', path = '/ams/api/v1/payments/pay';
  const signature = encodeURIComponent(rsa(`POST ${path}\nSANDBOX_5X.${at}000.${body}`));
  add('antom', {
    body, context: { path }, secrets: { key: pem('rsa_priv.pem') },
    signing: {
      ...rsaSHA256, encoding: 'ENCODING_BASE64_PERCENT', constants: { client: 'SANDBOX_5X' },
      inputExpression: `method + ' ' + path + '\\n' + client + '.' + timestamp_ms + '.' + body`,
      headers: { 'Client-Id': 'SANDBOX_5X', 'Request-Time': '${timestamp_ms}', Signature: 'algorithm=RSA256,keyVersion=1,signature=${signature}' },
    },
    sent: { headers: { 'Client-Id': 'SANDBOX_5X', 'Request-Time': `${at}000`, Signature: `algorithm=RSA256,keyVersion=1,signature=${signature}` } },
  });
}
{ // PayPal's webhooks.
  const body = '{"id":"WH-1","event_type":"PAYMENT.SALE.COMPLETED"}', id = '464163d0-e0ae-11e5-af72-51ae350aaff1';
  const crc = (text, c = 0xffffffff) => { for (const b of Buffer.from(text)) { c ^= b; for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1; } return (c ^ 0xffffffff) >>> 0; };
  add('paypal_webhook', {
    body, context: { id }, secrets: { key: pem('rsa_priv.pem') },
    signing: {
      ...rsaSHA256, encoding: 'ENCODING_BASE64', constants: { webhook: '3W2725225F637605K' },
      inputExpression: "id + '|' + timestamp_rfc3339 + '|' + webhook + '|' + crc32(body)",
      headers: { 'paypal-transmission-id': '${id}', 'paypal-transmission-time': '${timestamp_rfc3339}', 'paypal-transmission-sig': '${signature}', 'paypal-auth-algo': 'SHA256withRSA' },
    },
    sent: { headers: { 'paypal-transmission-id': id, 'paypal-transmission-time': rfc3339, 'paypal-transmission-sig': rsa(`${id}|${rfc3339}|3W2725225F637605K|${crc(body)}`), 'paypal-auth-algo': 'SHA256withRSA' } },
  });
}
{ // Plaid's webhooks: a JWS with claims.
  const body = '{\n  "error": null,\n  "webhook_type": "TRANSACTIONS"\n}';
  const part = o => Buffer.from(JSON.stringify(o)).toString('base64url');
  const signed = `${part({ alg: 'ES256', kid: 'bfbd5111', typ: 'JWT' })}.${part({ iat: at, request_body_sha256: hash('sha256', body, 'hex') })}`;
  const signature = crypto.sign('sha256', Buffer.from(signed), { key: pem('ec_priv.pem'), dsaEncoding: 'ieee-p1363' }).toString('base64url');
  add('plaid_webhook', {
    body, deterministic: false, secrets: { key: pem('ec_priv.pem') },
    signing: {
      jws: { algorithm: 'ALGORITHM_ES256', header: { kid: 'bfbd5111', typ: 'JWT' } },
      claims: { iat: 'timestamp', request_body_sha256: 'hex(sha256(body))' },
      headers: { 'Plaid-Verification': '${signature}' },
    },
    sent: { headers: { 'Plaid-Verification': `${signed}.${signature}` } },
  });
}
{ // draft-cavage-http-signatures-12 with a digest, as Krungsri and the Berlin Group use it.
  const body = '{"depositId":"d1","amount":"15"}', id = 'req-0001', digest = `SHA-256=${hash('sha256', body, 'base64')}`;
  const signed = `(request-target): post /v1/payments\n(created): ${at}\ndigest: ${digest}\nx-client-transaction-id: ${id}`;
  const names = '(request-target) (created) digest x-client-transaction-id';
  add('cavage', {
    body, context: { id }, secrets: { key: pem('rsa_priv.pem') },
    signing: {
      ...rsaSHA256, encoding: 'ENCODING_BASE64', values: { digest: "'SHA-256=' + base64(sha256(body))" },
      inputExpression: "'(request-target): ' + lower(method) + ' ' + path + '\\n(created): ' + timestamp + '\\ndigest: ' + digest + '\\nx-client-transaction-id: ' + id",
      headers: { Digest: '${digest}', 'X-Client-Transaction-ID': '${id}', Signature: `keyId="K1",algorithm="rsa-sha256",created=\${timestamp},headers="${names}",signature="\${signature}"` },
    },
    sent: { headers: { Digest: digest, 'X-Client-Transaction-ID': id, Signature: `keyId="K1",algorithm="rsa-sha256",created=${at},headers="${names}",signature="${rsa(signed)}"` } },
  });
}
{ // HTTP Message Signatures (RFC 9421) with a content digest (RFC 9530).
  const body = '{"hello": "world"}', digest = `sha-256=:${hash('sha256', body, 'base64')}:`;
  const params = `("@method" "@authority" "@path" "content-digest");created=${at};keyid="test-key"`;
  const signed = `"@method": POST\n"@authority": api.example.test\n"@path": /v1/payments\n"content-digest": ${digest}\n"@signature-params": ${params}`;
  add('rfc9421', {
    body,
    signing: {
      ...mac('SHA256'), encoding: 'ENCODING_BASE64',
      values: { digest: "'sha-256=:' + base64(sha256(body)) + ':'", components: `'("@method" "@authority" "@path" "content-digest")'`, keyid: 'key_id' }, constants: { key_id: 'test-key' },
      inputExpression: `'"@method": ' + method + '\\n"@authority": ' + lower(host) + '\\n"@path": ' + path + '\\n"content-digest": ' + digest + '\\n"@signature-params": ' + components + ';created=' + timestamp + ';keyid="' + key_id + '"'`,
      headers: { 'Content-Digest': '${digest}', 'Signature-Input': 'sig1=${components};created=${timestamp};keyid="${keyid}"', Signature: 'sig1=:${signature}:' },
    },
    sent: { headers: { 'Content-Digest': digest, 'Signature-Input': `sig1=${params}`, Signature: `sig1=:${hmac('sha256', secret, signed, 'base64')}:` } },
  });
}
{ // AWS Signature Version 4.
  const body = 'Action=ListUsers&Version=2010-05-08', host = 'iam.amazonaws.com', query = 'b=2&a=x%20y', type = 'application/x-www-form-urlencoded';
  const names = 'content-type;host;x-amz-date', scope = '20261201/us-east-1/iam/aws4_request';
  const canonical = `POST\n/\na=x%20y&b=2\ncontent-type:${type}\nhost:${host}\nx-amz-date:${amzDate}\n\n${names}\n${hash('sha256', body, 'hex')}`;
  const toSign = `AWS4-HMAC-SHA256\n${amzDate}\n${scope}\n${hash('sha256', canonical, 'hex')}`;
  const signing = ['20261201', 'us-east-1', 'iam', 'aws4_request'].reduce((k, text) => hmac('sha256', k, text), `AWS4${secret}`);
  add('aws_sigv4', {
    body, context: { host, path: '/', query, contentType: type },
    signing: {
      ...computed, constants: { account: 'AKIDEXAMPLE', region: 'us-east-1', service: 'iam', names: 'content-type;host;x-amz-date' },
      values: {
        amz_date: "time('20060102T150405Z')", scope: "time('20060102') + '/' + region + '/' + service + '/aws4_request'",
        credential: "account + '/' + scope", signed_headers: 'names',
        canonical: `method + '\\n' + path + '\\n' + join(percent(form(query)), '=', '&') + '\\ncontent-type:' + content_type + '\\nhost:' + host + '\\nx-amz-date:' + amz_date + '\\n\\n' + names + '\\n' + hex(sha256(body))`,
      },
      inputExpression: `hex(hmac_sha256(derive_hmac_sha256(derive_hmac_sha256(derive_hmac_sha256(derive_hmac_sha256('AWS4' + secret, time('20060102')), region), service), 'aws4_request'), 'AWS4-HMAC-SHA256\\n' + amz_date + '\\n' + scope + '\\n' + hex(sha256(canonical))))`,
      headers: { 'X-Amz-Date': '${amz_date}', Authorization: 'AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signed_headers}, Signature=${signature}' },
    },
    sent: { headers: { 'X-Amz-Date': amzDate, Authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/${scope}, SignedHeaders=${names}, Signature=${hmac('sha256', signing, toSign, 'hex')}` } },
  });
}
{ // Redsys: the key of an order is derived with Triple DES.
  const parameters = Buffer.from('{"DS_MERCHANT_AMOUNT":"145","DS_MERCHANT_ORDER":"1442772645"}').toString('base64');
  const body = `Ds_SignatureVersion=HMAC_SHA256_V1&Ds_MerchantParameters=${encodeURIComponent(parameters)}`, stored = 'sq7HjrUOBfKmC576ILgskD5srU870gJ7';
  const cipher = crypto.createCipheriv('des-ede3-cbc', Buffer.from(stored, 'base64'), Buffer.alloc(8)).setAutoPadding(false);
  const derived = Buffer.concat([cipher.update(Buffer.concat([Buffer.from('1442772645'), Buffer.alloc(6)])), cipher.final()]);
  add('redsys', {
    body, context: { contentType: 'application/x-www-form-urlencoded' }, secrets: { key: stored },
    signing: {
      ...computed, keys: [key('BASE64')], values: { parameters: "get(form(body), 'Ds_MerchantParameters')", order: "json(unbase64(parameters), '$.DS_MERCHANT_ORDER')" },
      inputExpression: 'base64(hmac_sha256(derive_3des(secret, order), parameters))', formFields: { Ds_Signature: '${signature}' },
    },
    sent: { body: `${body}&Ds_Signature=${encodeURIComponent(hmac('sha256', derived, parameters, 'base64'))}` },
  });
}
{ // VNPay: sorted parameters of the query, and the signature as another one.
  const parameters = { vnp_Amount: '1806000', vnp_OrderInfo: 'Thanh toan don hang :5', vnp_TmnCode: 'DEMOV210', vnp_Empty: '' };
  const query = Object.entries(parameters).reverse().map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  const encode = text => encodeURIComponent(text).replace(/%20/g, '+');
  const signed = Object.keys(parameters).sort().filter(name => parameters[name]).map(name => `${name}=${encode(parameters[name])}`).join('&');
  add('vnpay', {
    context: { method: 'GET', query, contentType: '' },
    signing: {
      ...mac('SHA512'), inputExpression: "join(form_encode(without_empty(form(query))), '=', '&')",
      queryParameters: { vnp_SecureHash: '${signature}' }, headers: {},
    },
    sent: { query: { vnp_SecureHash: hmac('sha512', secret, signed, 'hex') } },
  });
}
{ // OttPay and other gateways: sorted members of a JSON body, and the signature in it.
  const body = '{ "order_id": "A1", "amount": 1250, "note": "caf\\u00e9", "empty": "" }';
  const signed = 'amount=1250&note=caf\u00e9&order_id=A1';
  const sign = hash('md5', `${signed}&key=${secret}`, 'hex').toUpperCase();
  add('sorted_members', {
    body,
    signing: {
      ...computed, inputExpression: "upper(hex(md5(join(without_empty(members(body, '$')), '=', '&') + '&key=' + secret)))", bodyMembers: { sign: '${signature}' },
    },
    sent: { body: body.replace('"empty": "" }', `"empty": "","sign":"${sign}" }`) },
  });
}
{ // Twilio: URL and sorted fields of a form.
  const body = 'CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234&From=%2B12349013030&To=%2B18005551212';
  const signed = 'https://api.example.test/v1/payments?foo=1&bar=2' + [...new URLSearchParams(body)].sort().map(([name, value]) => name + value).join('');
  add('twilio', {
    body, context: { query: 'foo=1&bar=2', contentType: 'application/x-www-form-urlencoded' },
    signing: { ...mac('SHA1'), encoding: 'ENCODING_BASE64', inputExpression: "'https://' + host + path + '?' + query + join(form(body), '', '')", headers: { 'X-Twilio-Signature': '${signature}' } },
    sent: { headers: { 'X-Twilio-Signature': hmac('sha1', secret, signed, 'base64') } },
  });
}
{ // Kraken: a digest of nonce and body in the MAC, a key in base64.
  const nonce = `${at}000`, body = `nonce=${nonce}&ordertype=limit&pair=XBTUSD`, stored = 'kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==';
  const signature = hmac('sha512', Buffer.from(stored, 'base64'), Buffer.concat([Buffer.from('/v1/payments'), hash('sha256', nonce + body)]), 'base64');
  add('kraken', {
    body, secrets: { key: stored }, context: { contentType: 'application/x-www-form-urlencoded' },
    signing: { ...mac('SHA512'), keys: [key('BASE64')], encoding: 'ENCODING_BASE64', inputExpression: "path + sha256(get(form(body), 'nonce') + body)", headers: { 'API-Sign': '${signature}' } },
    sent: { headers: { 'API-Sign': signature } },
  });
}
{ // LINE Pay: the secret in the message of its own MAC.
  const body = '{"amount":100,"currency":"JPY"}', id = 'nonce-0001';
  add('line_pay', {
    body, context: { id },
    signing: { ...computed, inputExpression: 'base64(hmac_sha256(secret, secret + path + body + id))', headers: { 'X-LINE-Authorization': '${signature}', 'X-LINE-Authorization-Nonce': '${id}' } },
    sent: { headers: { 'X-LINE-Authorization': hmac('sha256', secret, secret + '/v1/payments' + body + id, 'base64'), 'X-LINE-Authorization-Nonce': id } },
  });
}
{ // Azure Storage's shared key: headers, and the length of the body.
  const body = 'blob', stored = Buffer.from('an account key of 32 letters ...').toString('base64');
  const signed = `PUT\n\n\n4\n\n${'text/plain'}\n\n\n\n\n\n\nx-ms-blob-type:BlockBlob\nx-ms-date:${httpDate}\nx-ms-version:2021-08-06\n/account/v1/payments`;
  add('azure_shared_key', {
    body, secrets: { key: stored }, context: { method: 'PUT', contentType: 'text/plain', headers: { 'x-ms-blob-type': 'BlockBlob' } },
    signing: {
      ...mac('SHA256'), keys: [key('BASE64')], encoding: 'ENCODING_BASE64', values: { date: "time('http')" }, constants: { account: 'account', version: '2021-08-06' },
      inputExpression: "method + '\\n\\n\\n' + size(body) + '\\n\\n' + content_type + '\\n\\n\\n\\n\\n\\n\\nx-ms-blob-type:' + header('x-ms-blob-type') + '\\nx-ms-date:' + date + '\\nx-ms-version:' + version + '\\n/' + account + path",
      headers: { 'x-ms-date': '${date}', 'x-ms-version': '2021-08-06', Authorization: 'SharedKey account:${signature}' },
    },
    sent: { headers: { 'x-ms-date': httpDate, 'x-ms-version': '2021-08-06', Authorization: `SharedKey account:${hmac('sha256', Buffer.from(stored, 'base64'), signed, 'base64')}` } },
  });
}
{ // Binance: the time and the signature are parameters, and the query is what is signed.
  const query = 'symbol=LTCBTC&side=BUY';
  add('binance', {
    context: { query, contentType: '' },
    signing: { ...mac('SHA256'), inputExpression: "query + '&timestamp=' + timestamp_ms", queryParameters: { timestamp: '${timestamp_ms}', signature: '${signature}' }, headers: {} },
    sent: { query: { timestamp: `${at}000`, signature: hmac('sha256', secret, `${query}&timestamp=${at}000`, 'hex') } },
  });
}
{ // DingTalk's robots: the secret behind the time, in the query.
  add('dingtalk_robot', {
    body: '{"msgtype":"text"}',
    signing: { ...computed, inputExpression: "base64(hmac_sha256(secret, timestamp_ms + '\\n' + secret))", queryParameters: { timestamp: '${timestamp_ms}', sign: '${signature}' }, headers: {} },
    sent: { query: { timestamp: `${at}000`, sign: hmac('sha256', secret, `${at}000\n${secret}`, 'base64') } },
  });
}
{ // RFC 8785 in the MAC, and a truncated MAC.
  const body = '{"b":[1e3,0.10],"a":"\\u20ac\\n"}';
  add('canonical_json', {
    body,
    signing: { ...computed, inputExpression: 'slice(hex(hmac_sha256(secret, canonical_json(body))), 0, 32)', headers: { 'X-Signature': '${signature}' } },
    sent: { headers: { 'X-Signature': hmac('sha256', secret, '{"a":"\u20ac\\n","b":[1000,0.1]}', 'hex').slice(0, 32) } },
  });
}
{ // Signed inside of the encryption: verified after decryption.
  const body = '{"amount":"300.00"}', encryptionKey = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex');
  const inner = `{"amount":"300.00","sig":"${hmac('sha256', secret, body, 'hex')}"}`, iv = Buffer.alloc(12, 7);
  const cipher = crypto.createCipheriv('aes-256-gcm', encryptionKey, iv);
  const sealed = Buffer.concat([iv, cipher.update(inner), cipher.final(), cipher.getAuthTag()]).toString('base64');
  add('signed_inside', {
    body, deterministic: false, secrets: { key: secret, cipher: encryptionKey.toString('hex') },
    profile: {
      cipher: { algorithm: 'ALGORITHM_AES_256_GCM', sharedKey: { keys: [key('HEX', 'cipher')] } },
      signing: { ...mac('SHA256'), keys: [key()], bodyMembers: { sig: '${signature}' }, beforeEncryption: true },
    },
    sent: { body: sealed },
  });
}
{ // Feishu's and Lark's events: one key encrypts and signs.
  const stored = 'kudryavka-throwaway';
  add('feishu', {
    body: '{"challenge":"ajls384kdjx98XX","token":"xxxxxx","type":"url_verification"}', context: { id: '7f3c1a' }, deterministic: false, secrets: { key: stored },
    profile: {
      cipher: { algorithm: 'ALGORITHM_AES_256_CBC', sharedKey: { keys: [key()], derivation: { digest: { hash: 'HASH_SHA256' } } } },
      envelope: { blobs: { data: { parts: [{ slot: 'SLOT_IV' }, { slot: 'SLOT_CIPHERTEXT' }], encoding: 'ENCODING_BASE64' } }, json: '{"encrypt":"${data}"}' },
      signing: {
        secretDigest: { hash: 'HASH_SHA256' }, keys: [key()], input: '${timestamp}${id}${secret}${body}',
        headers: { 'X-Lark-Request-Timestamp': '${timestamp}', 'X-Lark-Request-Nonce': '${id}', 'X-Lark-Signature': '${signature}' },
      },
    },
    sent: {
      body: '{"encrypt":"1yqypE9LCiuWUoa7Qbz+eqckRH5N2wRrQbHzKE4EZ99l2ifzwcv3R5J0e1EyKn/lS2IF8U73yj1E7odwmc14jjMPd+nvTIjCy3KK1M/W0XeLHwYNF9OD97PA0bTtlMRE"}',
      headers: { 'X-Lark-Request-Timestamp': String(at), 'X-Lark-Request-Nonce': '7f3c1a', 'X-Lark-Signature': '566f256facfda5183836708d59b0af684fe2aec93a42d2f277afb9fabd5357ec' },
    },
  });
}

// --- The examples of specifications and of partners' documentation, as they are published.
for (const [id, name, stored, scheme, listed, names, signature] of [
  ['rfc9421_b25', 'test-shared-secret', 'uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==', { ...mac('SHA256'), keys: [key('BASE64')] },
    "'\"date\": ' + header('date') + '\\n\"@authority\": ' + host + '\\n\"content-type\": ' + content_type", '("date" "@authority" "content-type")', 'pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8='],
  ['rfc9421_b26', 'test-key-ed25519', '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n', { asymmetric: { algorithm: 'ALGORITHM_ED25519' }, keys: [key('PEM')] },
    "'\"date\": ' + header('date') + '\\n\"@method\": ' + method + '\\n\"@path\": ' + path + '\\n\"@authority\": ' + host + '\\n\"content-type\": ' + content_type + '\\n\"content-length\": ' + size(body)",
    '("date" "@method" "@path" "@authority" "content-type" "content-length")', 'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=='],
]) add(id, {
  body: '{"hello": "world"}', secrets: { key: stored }, context: { time: 1618884473, host: 'example.com', path: '/foo', headers: { date: 'Tue, 20 Apr 2021 02:07:55 GMT' } },
  signing: {
    ...scheme, encoding: 'ENCODING_BASE64', values: { components: `'${names}'` },
    inputExpression: `${listed} + '\\n"@signature-params": ' + components + ';created=' + timestamp + ';keyid="${name}"'`,
    headers: { 'Signature-Input': `sig1=\${components};created=\${timestamp};keyid="${name}"`, Signature: 'sig1=:${signature}:' },
  },
  sent: { headers: { 'Signature-Input': `sig1=${names};created=1618884473;keyid="${name}"`, Signature: `sig1=:${signature}:` } },
});
add('kraken_published', {
  body: 'nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25', context: { path: '/0/private/AddOrder' },
  secrets: { key: 'kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==' },
  signing: { ...mac('SHA512'), keys: [key('BASE64')], encoding: 'ENCODING_BASE64', inputExpression: "path + sha256(get(form(body), 'nonce') + body)", headers: { 'API-Sign': '${signature}' } },
  sent: { headers: { 'API-Sign': '4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==' } },
});
add('binance_published', {
  context: { time: 1499827319.559, query: 'symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000', contentType: '' },
  secrets: { key: 'NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j' },
  signing: { ...mac('SHA256'), inputExpression: "query + '&timestamp=' + timestamp_ms", queryParameters: { timestamp: '${timestamp_ms}', signature: '${signature}' } },
  sent: { query: { timestamp: '1499827319559', signature: 'c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71' } },
});
add('twilio_published', {
  body: 'CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234&From=%2B12349013030&To=%2B18005551212', secrets: { key: '12345' },
  context: { host: 'mycompany.com', path: '/myapp.php', query: 'foo=1&bar=2', contentType: 'application/x-www-form-urlencoded' },
  signing: { ...mac('SHA1'), encoding: 'ENCODING_BASE64', inputExpression: "'https://' + host + path + '?' + query + join(form(body), '', '')", headers: { 'X-Twilio-Signature': '${signature}' } },
  sent: { headers: { 'X-Twilio-Signature': '0/KCTR6DLpKmkAf8muzZqo1nDgQ=' } },
});
{ // The example of AWS's documentation: ListUsers of IAM.
  const { signing } = all.find(c => c.id === 'aws_sigv4').encryption.request;
  add('aws_sigv4_published', {
    context: { time: 1440938160, method: 'GET', host: 'iam.amazonaws.com', path: '/', query: 'Action=ListUsers&Version=2010-05-08', contentType: 'application/x-www-form-urlencoded; charset=utf-8' },
    secrets: { key: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }, signing,
    sent: { headers: {
      'X-Amz-Date': '20150830T123600Z',
      Authorization: 'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
    } },
  });
}
writeFileSync(new URL('conventions.json', import.meta.url), JSON.stringify(all, null, 1) + '\n');
