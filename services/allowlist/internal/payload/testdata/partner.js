// The partner's side, written with node:crypto alone. Reads a list of jobs as JSON
// from standard input and writes the list of results.
//
//   {op: "seal" | "open", algorithm, key, iv, encoding, text}   text in hex when it is plaintext
//   {op: "mac", key, text}
//
// A sealed text is iv.ciphertext.tag (GCM) or iv.ciphertext (CBC), each encoded.
const crypto = require('node:crypto');

const job = {
  seal({ algorithm, key, iv, encoding, text }) {
    const gcm = algorithm.endsWith('gcm');
    const cipher = crypto.createCipheriv(algorithm, Buffer.from(key, 'hex'), Buffer.from(iv, 'hex'));
    const sealed = Buffer.concat([cipher.update(Buffer.from(text, 'hex')), cipher.final()]);
    const parts = [Buffer.from(iv, 'hex'), sealed].concat(gcm ? [cipher.getAuthTag()] : []);
    return parts.map((part) => part.toString(encoding)).join('.');
  },
  open({ algorithm, key, encoding, text }) {
    const [iv, sealed, tag] = text.split('.').map((part) => Buffer.from(part, encoding));
    const cipher = crypto.createDecipheriv(algorithm, Buffer.from(key, 'hex'), iv);
    if (tag) cipher.setAuthTag(tag);
    return Buffer.concat([cipher.update(sealed), cipher.final()]).toString('hex');
  },
  mac({ key, text }) {
    return crypto.createHmac('sha256', Buffer.from(key, 'hex')).update(Buffer.from(text, 'hex')).digest('hex');
  },
};

const jobs = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(jobs.map((j) => job[j.op](j))));
