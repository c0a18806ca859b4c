// The conventions of partners that sign with more than a body: messages as the partners' libraries
// or node:crypto sign them.
import crypto from 'node:crypto';
import { createRequire } from 'node:module';
import aws4 from 'aws4';
import { createSigner, httpbis } from 'http-message-signatures';
import httpSignature from 'http-signature';
import { createRedsysAPI, SANDBOX_URLS } from 'redsys-easy';
import { VNPay } from 'vnpay';

const require = createRequire(import.meta.url);
const PaytmChecksum = require('paytmchecksum');
const { getExpectedTwilioSignature } = require('twilio/lib/webhooks/webhooks');

const hash = (name, text, encoding) => crypto.createHash(name).update(text).digest(encoding);
const hmac = (name, key, text, encoding) => crypto.createHmac(name, key).update(text).digest(encoding);
const json = 'application/json', formType = 'application/x-www-form-urlencoded';
const secret = 'a throwaway secret of the partner';

// Adds the known answers. Signed adds a message whose body is its plaintext.
export async function conventions({ signed, npm, node, pem, context }) {
  const at = context.time, iso = new Date(at * 1000).toISOString().replace('.000', ''), jakarta = '2026-01-01T07:00:00+07:00';
  const httpDate = new Date(at * 1000).toUTCString(), value = secret;
  const keyFile = { file: 'rsa_priv.pem' }, key = pem('rsa_priv.pem');
  const rsa = text => crypto.sign('sha256', Buffer.from(text), key).toString('base64');
  const ed25519 = crypto.generateKeyPairSync('ed25519').privateKey, p256 = pem('ec_priv.pem');
  const edPEM = { value: ed25519.export({ format: 'pem', type: 'pkcs8' }) };
  const query = (url, ...names) => names.reduce((all, name) => ({ ...all, [name]: new URL(url).searchParams.get(name) }), {});

  // --- Payments in Asia.
  {
    const plaintext = '{\n  "amount": {"value": "10000.00", "currency": "IDR"}\n}', token = 'token.of.the-call';
    const text = `POST:${context.path}:${token}:${hash('sha256', JSON.stringify(JSON.parse(plaintext)), 'hex')}:${jakarta}`;
    signed('snap_bi', node, {
      secrets: { client_secret: { value } }, plaintext, context: { ...context, values: { token } },
      headers: { 'X-TIMESTAMP': jakarta, 'X-SIGNATURE': hmac('sha512', secret, text, 'base64'), Authorization: `Bearer ${token}` },
    });
    signed('snap_bi_token', node, {
      secrets: { client_signing_key: keyFile }, settings: { client_id: 'C-1' }, plaintext: '{"grantType":"client_credentials"}',
      headers: { 'X-CLIENT-KEY': 'C-1', 'X-TIMESTAMP': jakarta, 'X-SIGNATURE': rsa(`C-1|${jakarta}`) },
    });
  }
  {
    const plaintext = '{"order":{"orderAmount":{"currency":"CNY","value":"100"}}}', settings = { client_id: 'SANDBOX_5X' };
    const secrets = { client_signing_key: keyFile, antom_public_key: keyFile };
    const headers = time => ({
      'Client-Id': 'SANDBOX_5X',
      Signature: `algorithm=RSA256,keyVersion=1,signature=${encodeURIComponent(rsa(`POST ${context.path}\nSANDBOX_5X.${time}.${plaintext}`))}`,
    });
    signed('antom', node, { secrets, settings, plaintext, headers: { ...headers(`${at}000`), 'Request-Time': `${at}000` } });
    signed('antom', node, { direction: 'response', secrets, settings, plaintext, headers: { ...headers(iso), 'response-time': iso } });
  }
  {
    const plaintext = '{"amount":100,"currency":"USD"}', id = 'abcdefgh12345678';
    const text = `post${context.path}?a=1${id}${at}ACCESSKEY${secret}${plaintext}`;
    signed('rapyd', node, {
      secrets: { secret_key: { value } }, settings: { account: 'ACCESSKEY', query_mark: '?' }, plaintext, context: { ...context, id, query: 'a=1' },
      headers: { access_key: 'ACCESSKEY', salt: id, timestamp: String(at), signature: Buffer.from(hmac('sha256', secret, text, 'hex')).toString('base64') },
    });
  }
  {
    const plaintext = '{"amount":100,"currency":"JPY"}', id = crypto.randomUUID();
    signed('line_pay', node, {
      secrets: { channel_secret: { value } }, settings: { channel_id: '1650000000' }, plaintext, context: { ...context, id, query: '' },
      headers: { 'X-LINE-ChannelId': '1650000000', 'X-LINE-Authorization-Nonce': id, 'X-LINE-Authorization': hmac('sha256', secret, secret + context.path + plaintext + id, 'base64') },
    });
  }
  {
    const url = new VNPay({ tmnCode: 'DEMOV210', secureSecret: secret, vnpayHost: 'https://sandbox.example.test', hashAlgorithm: 'SHA512', testMode: true })
      .buildPaymentUrl({ vnp_Amount: 18060, vnp_IpAddr: '127.0.0.1', vnp_TxnRef: 'T-1', vnp_OrderInfo: 'Thanh toan don hang :5', vnp_OrderType: 'other', vnp_ReturnUrl: 'https://shop.example.test/return?a=b', vnp_Locale: 'vn' });
    const [rest] = new URL(url).search.slice(1).split('&vnp_SecureHash=');
    signed('vnpay', npm('vnpay'), {
      secrets: { hash_secret: { value } }, plaintext: '', context: { ...context, method: 'GET', query: rest }, query: query(url, 'vnp_SecureHash'),
    });
  }
  {
    const account = 'F8BBA842ECF85', settings = { account };
    const sign = (o, names) => hmac('sha256', secret, [['accessKey', account], ...names.map(name => [name, o[name]])].map(([name, v]) => `${name}=${v}`).join('&'), 'hex');
    for (const [preset, o, names] of [
      ['momo', { partnerCode: 'MOMO', requestType: 'captureWallet', ipnUrl: 'https://shop.example.test/ipn', redirectUrl: 'https://shop.example.test/?a=b', orderId: 'O-1', amount: 50000, orderInfo: 'thanh toán', requestId: 'R-1', extraData: '', lang: 'vi' },
        ['amount', 'extraData', 'ipnUrl', 'orderId', 'orderInfo', 'partnerCode', 'redirectUrl', 'requestId', 'requestType']],
      ['momo_ipn', { partnerCode: 'MOMO', orderId: 'O-1', requestId: 'R-1', amount: 50000, orderInfo: 'thanh toán', orderType: 'momo_wallet', transId: 2588659987, resultCode: 0, message: 'Thành công.', payType: 'qr', responseTime: 1633504902954, extraData: '' },
        ['amount', 'extraData', 'message', 'orderId', 'orderInfo', 'orderType', 'partnerCode', 'payType', 'requestId', 'responseTime', 'resultCode', 'transId']],
    ]) signed(preset, node, { secrets: { secret_key: { value } }, settings, plaintext: JSON.stringify(o), body: JSON.stringify({ ...o, signature: sign(o, names) }) });
  }
  {
    const o = { app_id: '2553', app_user: 'user 1', app_time: '1767225600000', amount: '50000', app_trans_id: '260101_1', embed_data: '{}', item: '[]', description: 'Đơn hàng' };
    const mac = hmac('sha256', secret, [o.app_id, o.app_trans_id, o.app_user, o.amount, o.app_time, o.embed_data, o.item].join('|'), 'hex');
    signed('zalopay', node, {
      secrets: { key1: { value } }, context: { ...context, contentType: formType },
      plaintext: new URLSearchParams(o).toString(), body: new URLSearchParams({ ...o, mac }).toString(),
    });
    const data = JSON.stringify({ app_id: 2553, app_trans_id: '260101_1' });
    signed('zalopay_callback', node, {
      secrets: { key2: { value } }, plaintext: JSON.stringify({ data, type: 1 }), body: JSON.stringify({ data, type: 1, mac: hmac('sha256', secret, data, 'hex') }),
    });
  }
  {
    const o = { MID: 'DEMO00000000000001', ORDER_ID: 'ORDER-1', TXN_AMOUNT: '10.00', CUST_ID: 'C 1/2', NOTE: '', CALLBACK_URL: 'https://shop.example.test/paid?a=b' };
    const merchantKey = 'merchant key 16b', checksum = await PaytmChecksum.generateSignature({ ...o }, merchantKey);
    signed('paytm', npm('paytmchecksum'), {
      secrets: { merchant_key: { value: merchantKey } }, context: { ...context, contentType: formType }, deterministic: false,
      plaintext: new URLSearchParams(o).toString(), body: new URLSearchParams({ ...o, CHECKSUMHASH: checksum }).toString(),
    });
    const body = { requestType: 'Payment', mid: 'DEMO00000000000001', orderId: 'ORDER-1', txnAmount: { value: '10.00', currency: 'INR' }, userInfo: { custId: 'C 1/2' } };
    const text = JSON.stringify(body), head = { version: 'v1', channelId: 'WEB' };
    signed('paytm_json', npm('paytmchecksum'), {
      secrets: { merchant_key: { value: merchantKey } }, deterministic: false,
      plaintext: JSON.stringify({ head, body }), body: JSON.stringify({ head: { ...head, signature: await PaytmChecksum.generateSignature(text, merchantKey) }, body }),
    });
  }
  {
    const parameters = { status_id: '21', status: 'CHARGED', order_id: 'O 1/2' };
    const text = Object.entries(parameters).map(pair => pair.map(encodeURIComponent).join('=')).sort().join('&');
    signed('juspay_signature', node, {
      secrets: { response_key: { value } }, plaintext: '', context: { ...context, method: 'GET', query: new URLSearchParams(parameters).toString() },
      query: { signature: encodeURIComponent(hmac('sha256', secret, encodeURIComponent(text), 'base64')), signature_algorithm: 'HMAC-SHA256' },
    });
  }
  for (const name of ['md5', 'sha256']) {
    const o = { order_id: 'A1', amount: 1250, note: 'café', empty: '' };
    const text = Object.keys(o).sort().filter(k => o[k] !== '').map(k => `${k}=${o[k]}`).join('&');
    signed(`sorted_members_${name}`, node, {
      secrets: { key: { value } }, plaintext: JSON.stringify(o), body: JSON.stringify({ ...o, sign: hash(name, `${text}&key=${secret}`, 'hex').toUpperCase() }),
    });
  }
  signed('dingtalk_robot', node, {
    secrets: { secret: { value } }, plaintext: '{"msgtype":"text"}', query: { timestamp: `${at}000`, sign: hmac('sha256', secret, `${at}000\n${secret}`, 'base64') },
  });

  // --- Redsys: its form, and a notification as the library reads it.
  {
    const stored = 'sq7HjrUOBfKmC576ILgskD5srU870gJ7', secrets = { merchant_key: { value: stored } };
    const form = createRedsysAPI({ secretKey: stored, urls: SANDBOX_URLS }).createRedirectForm({ DS_MERCHANT_AMOUNT: '145', DS_MERCHANT_CURRENCY: '978', DS_MERCHANT_ORDER: '1442772645', DS_MERCHANT_MERCHANTCODE: '999008881', DS_MERCHANT_TERMINAL: '1', DS_MERCHANT_TRANSACTIONTYPE: '0' }).body;
    const { Ds_Signature, ...rest } = form;
    signed('redsys', npm('redsys-easy'), {
      secrets, context: { ...context, contentType: formType }, plaintext: new URLSearchParams(rest).toString(),
      body: new URLSearchParams({ ...rest, Ds_Signature }).toString(),
    });
    const parameters = Buffer.from('{"Ds_Order":"1442772645","Ds_Amount":"145","Ds_Response":"0000"}').toString('base64url');
    const cipher = crypto.createCipheriv('des-ede3-cbc', Buffer.from(stored, 'base64'), Buffer.alloc(8)).setAutoPadding(false);
    const derived = Buffer.concat([cipher.update(Buffer.concat([Buffer.from('1442772645'), Buffer.alloc(6)])), cipher.final()]);
    const o = { Ds_SignatureVersion: 'HMAC_SHA256_V1', Ds_MerchantParameters: parameters };
    const signature = hmac('sha256', derived, parameters, 'base64').replaceAll('+', '-').replaceAll('/', '_');
    signed('redsys_notification', node, {
      secrets, context: { ...context, contentType: formType }, plaintext: new URLSearchParams(o).toString(), body: new URLSearchParams({ ...o, Ds_Signature: signature }).toString(),
    });
  }

  // --- Webhooks.
  {
    const plaintext = '{"id":"WH-1","event_type":"PAYMENT.SALE.COMPLETED"}', id = '464163d0-e0ae-11e5-af72-51ae350aaff1', webhook = '3W2725225F637605K';
    const crc = (text, c = 0xffffffff) => { for (const b of Buffer.from(text)) { c ^= b; for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1; } return (c ^ 0xffffffff) >>> 0; };
    signed('paypal_webhook', node, {
      secrets: { certificate: keyFile }, settings: { webhook_id: webhook }, plaintext, context: { ...context, id },
      headers: { 'paypal-transmission-id': id, 'paypal-transmission-time': iso, 'paypal-transmission-sig': rsa(`${id}|${iso}|${webhook}|${crc(plaintext)}`), 'paypal-auth-algo': 'SHA256withRSA' },
    });
  }
  {
    const plaintext = '{\n  "error": null,\n  "webhook_type": "TRANSACTIONS"\n}', part = o => Buffer.from(JSON.stringify(o)).toString('base64url');
    const text = `${part({ alg: 'ES256', kid: 'bfbd5111', typ: 'JWT' })}.${part({ iat: at, request_body_sha256: hash('sha256', plaintext, 'hex') })}`;
    const signature = crypto.sign('sha256', Buffer.from(text), { key: p256, dsaEncoding: 'ieee-p1363' }).toString('base64url');
    signed('plaid_webhook', node, {
      secrets: { key: { file: 'ec_priv.pem' } }, settings: { key_id: 'bfbd5111' }, plaintext, deterministic: false, headers: { 'Plaid-Verification': `${text}.${signature}` },
    });
  }
  {
    const o = { CallSid: 'CA1234567890ABCDE', Caller: '+12349013030', Digits: '1234', From: '+12349013030', To: '+18005551212' };
    for (const [query_mark, rest] of [['?', 'foo=1&bar=2'], ['', '']])
      signed('twilio', npm('twilio'), {
        secrets: { auth_token: { value } }, settings: { query_mark }, context: { ...context, query: rest, contentType: formType }, plaintext: new URLSearchParams(o).toString(),
        headers: { 'X-Twilio-Signature': getExpectedTwilioSignature(secret, `https://${context.host}${context.path}${query_mark}${rest}`, o) },
      });
  }

  // --- Clouds and exchanges.
  {
    const plaintext = 'Action=ListUsers&Version=2010-05-08', host = 'iam.amazonaws.com', amzDate = iso.replace(/[-:]/g, '');
    const request = aws4.sign({
      host, method: 'POST', path: '/?b=2&a=x%20y', service: 'iam', region: 'us-east-1', body: plaintext, extraHeadersToIgnore: { 'content-length': true },
      headers: { 'Content-Type': formType, 'X-Amz-Date': amzDate },
    }, { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: secret });
    signed('aws_sigv4', npm('aws4'), {
      secrets: { secret_access_key: { value } }, settings: { account: 'AKIDEXAMPLE', region: 'us-east-1', service: 'iam' }, plaintext,
      context: { ...context, host, path: '/', query: 'b=2&a=x%20y', contentType: formType }, headers: { 'X-Amz-Date': amzDate, Authorization: request.headers.Authorization },
    });
  }
  {
    const stored = Buffer.from('an account key of 32 letters ...').toString('base64');
    const text = `PUT\n\n\n4\n\ntext/plain\n\n\n\n\n\n\nx-ms-blob-type:BlockBlob\nx-ms-date:${httpDate}\nx-ms-version:2021-08-06\n/account${context.path}`;
    signed('azure_shared_key', node, {
      secrets: { account_key: { value: stored } }, settings: { account: 'account' }, plaintext: 'blob',
      context: { ...context, method: 'PUT', query: '', contentType: 'text/plain', headers: { 'x-ms-blob-type': 'BlockBlob' } },
      headers: { 'x-ms-date': httpDate, 'x-ms-version': '2021-08-06', Authorization: `SharedKey account:${hmac('sha256', Buffer.from(stored, 'base64'), text, 'base64')}` },
    });
  }
  {
    const stored = Buffer.from('a secret of 32 letters or bytes.').toString('base64'), plaintext = '{"size":"1.0"}';
    signed('coinbase_exchange', node, {
      secrets: { api_secret: { value: stored } }, plaintext, context: { ...context, query: '' },
      headers: { 'CB-ACCESS-TIMESTAMP': String(at), 'CB-ACCESS-SIGN': hmac('sha256', Buffer.from(stored, 'base64'), `${at}POST${context.path}${plaintext}`, 'base64') },
    });
    const nonce = `${at}000`, form = `nonce=${nonce}&ordertype=limit&pair=XBTUSD`;
    signed('kraken', node, {
      secrets: { private_key: { value: stored } }, plaintext: form, context: { ...context, contentType: formType },
      headers: { 'API-Sign': hmac('sha512', Buffer.from(stored, 'base64'), Buffer.concat([Buffer.from(context.path), hash('sha256', nonce + form)]), 'base64') },
    });
  }
  signed('binance', node, {
    secrets: { secret_key: { value } }, plaintext: '', context: { ...context, query: 'symbol=LTCBTC&side=BUY' },
    query: { timestamp: `${at}000`, signature: hmac('sha256', secret, `symbol=LTCBTC&side=BUY&timestamp=${at}000`, 'hex') },
  });

  // --- Signatures of HTTP messages.
  for (const [preset, stored, signer, deterministic] of [
    ['http_message_signatures', { value: Buffer.from(secret).toString('base64') }, createSigner(secret, 'hmac-sha256', 'K1'), true],
    ['http_message_signatures_ed25519', edPEM, createSigner(ed25519, 'ed25519', 'K1'), true],
    ['http_message_signatures_ecdsa', { file: 'ec_priv.pem' }, createSigner(p256, 'ecdsa-p256-sha256', 'K1'), false],
  ]) {
    const plaintext = '{"hello": "world"}', digest = `sha-256=:${hash('sha256', plaintext, 'base64')}:`;
    const made = await httpbis.signMessage({
      key: signer, name: 'sig1', fields: ['@method', '@authority', '@path', 'content-digest'], params: ['created', 'keyid'], paramValues: { created: new Date(at * 1000) },
    }, { method: 'POST', url: `https://${context.host}${context.path}`, headers: { 'Content-Digest': digest } });
    signed(preset, npm('http-message-signatures'), {
      secrets: { key: stored }, settings: { key_id: 'K1' }, plaintext, deterministic,
      headers: { 'Content-Digest': digest, 'Signature-Input': made.headers['Signature-Input'], Signature: made.headers.Signature },
    });
  }
  {
    const plaintext = '{"depositId":"d1","amount":"15"}', digest = `SHA-256=${hash('sha256', plaintext, 'base64')}`, headers = { host: context.host, date: httpDate, digest };
    const request = { method: 'POST', path: context.path, getHeader: name => headers[name.toLowerCase()], setHeader: (name, v) => { headers[name.toLowerCase()] = v; } };
    httpSignature.sign(request, { key, keyId: 'K1', algorithm: 'rsa-sha256', headers: ['(request-target)', 'host', 'date', 'digest'] });
    signed('cavage_signatures', npm('http-signature'), {
      secrets: { key: keyFile }, settings: { key_id: 'K1' }, plaintext, headers: { Date: httpDate, Digest: digest, Signature: headers.authorization.replace('Signature ', '') },
    });
  }
  {
    const plaintext = '{"context":{"domain":"nic2004:60212","action":"search"},"message":{}}', id = 'buyer.example.test|k-1|ed25519';
    const text = `(created): ${at}\n(expires): ${at + 300}\ndigest: BLAKE-512=${hash('blake2b512', plaintext, 'base64')}`;
    signed('beckn_ondc', node, {
      secrets: { key: edPEM }, settings: { key_id: id }, plaintext,
      headers: { Authorization: `Signature keyId="${id}",algorithm="ed25519",created="${at}",expires="${at + 300}",headers="(created) (expires) digest",signature="${crypto.sign(null, Buffer.from(text), ed25519).toString('base64')}"` },
    });
  }
}
