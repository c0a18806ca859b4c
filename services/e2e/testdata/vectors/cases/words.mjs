// Words that the cases share.
import { createHash } from 'node:crypto';

/** Bytes that look random and depend only on a label. */
const drawn = (label, n) => createHash('shake256', { outputLength: n }).update(label).digest();
export const hexSecret = (label, n) => ({ value: drawn(label, n).toString('hex'), decode: 'hex' });
export const base64Secret = (label, n) => ({ value: drawn(label, n).toString('base64'), decode: 'base64' });
export const textSecret = (value) => ({ value, decode: 'utf8' });
export const pemFile = (name) => ({ value: `keys/${name}.pem`, decode: 'pemfile' });

export const blob = (parts, enc = 'base64') => ({ parts, enc });
/** An envelope with one blob as text. */
export const asText = (parts, enc) => ({ text: '${c}', blobs: { c: blob(parts, enc) } });

export const tools = {
  node: `node:crypto ${process.version}`, openssl: 'openssl CLI 3.0', java: 'Java JCE 17', hashlib: 'python hashlib', pyca: 'python cryptography',
  cryptojs: 'npm crypto-js 4.2.0', forge: 'npm node-forge 1.4.3', jose: 'npm jose 6.2.17', mastercard: 'npm mastercard-client-encryption 1.10.8',
  openpgp: 'npm openpgp 6.3.2', gpg: 'gpg 2.2', webhooks: 'npm standardwebhooks 1.1.1',
};

// Bodies: with characters of two to four bytes, with only complete blocks, empty, long, and not JSON.
export const payment = '{"customerId":"C-1029","mobile":"+919812345678","note":"naïve ₹ café 🎯","amount":1250.5}';
export const blocks = '0123456789abcdefFEDCBA9876543210';
export const long = JSON.stringify({ rows: Array.from({ length: 120 }, (_, i) => ({ i, name: `row ${i}`, ok: i % 3 === 0 })) });
export const xml = '<?xml version="1.0"?>\n<pay><to>Zoë &amp; Co</to></pay>\n';
