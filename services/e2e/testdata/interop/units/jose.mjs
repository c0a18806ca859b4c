// The partner's side of the interoperability tests: reads jobs, writes their results.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import * as jose from "jose";
import mastercard from "mastercard-client-encryption";

const utf8 = (bytes) => new TextDecoder().decode(bytes);
const secret = (job) => Buffer.from(job.secret, "base64url");
const open = (job) => (job.secret ? secret(job) : createPrivateKey(job.pem));
const close = (job) => (job.secret ? secret(job) : createPublicKey(job.pem)); // its public half
const card = (job) =>
  new mastercard.JweEncryption({
    paths: [{ path: "/", toEncrypt: [{ element: "$", obj: "$" }], toDecrypt: [{ element: "encryptedData", obj: "$" }] }],
    mode: "JWE",
    encryptedValueFieldName: "encryptedData",
    encryptionCertificate: job.certificate,
    privateKey: job.file,
  });

const ops = {
  async encrypt(job) {
    const e = new jose.CompactEncrypt(Buffer.from(job.text)).setProtectedHeader({ alg: job.alg, enc: job.enc, typ: "JOSE" });
    if (job.apu) {
      e.setKeyManagementParameters({ apu: Buffer.from(job.apu), apv: Buffer.from(job.apv) });
    }
    return e.encrypt(close(job));
  },
  async decrypt(job) {
    const options = { keyManagementAlgorithms: [job.alg], contentEncryptionAlgorithms: [job.enc] };
    return utf8((await jose.compactDecrypt(job.text, open(job), options)).plaintext);
  },
  async sign(job) {
    return new jose.CompactSign(Buffer.from(job.text)).setProtectedHeader({ alg: job.alg, kid: "k" }).sign(open(job));
  },
  async verify(job) {
    return utf8((await jose.compactVerify(job.text, close(job), { algorithms: [job.alg] })).payload);
  },
  async signFlattened(job) {
    return JSON.stringify(await new jose.FlattenedSign(Buffer.from(job.text)).setProtectedHeader({ alg: job.alg, kid: "k" }).setUnprotectedHeader({ x: 1 }).sign(open(job)));
  },
  async verifyFlattened(job) {
    return utf8((await jose.flattenedVerify(JSON.parse(job.text), close(job), { algorithms: [job.alg] })).payload);
  },
  async encryptGeneral(job) {
    const other = createPublicKey(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey);
    return JSON.stringify(
      await new jose.GeneralEncrypt(Buffer.from(job.text))
        .setProtectedHeader({ enc: job.enc })
        .addRecipient(other)
        .setUnprotectedHeader({ alg: "RSA-OAEP-256", kid: "other" })
        .addRecipient(close(job))
        .setUnprotectedHeader({ alg: job.alg, kid: "k" })
        .encrypt(),
    );
  },
  async encryptZipped(job) {
    return new jose.CompactEncrypt(Buffer.from(job.text)).setProtectedHeader({ alg: job.alg, enc: job.enc, zip: "DEF" }).encrypt(close(job));
  },
  async signDetached(job) {
    const header = { alg: job.alg, kid: "k", b64: false, crit: ["b64"] };
    const signed = await new jose.FlattenedSign(Buffer.from(job.text)).setProtectedHeader(header).sign(open(job));
    return `${signed.protected}..${signed.signature}`;
  },
  async verifyDetached(job) {
    const [header, , signature] = job.signature.split(".");
    const jws = { protected: header, payload: job.text, signature };
    return utf8((await jose.flattenedVerify(jws, close(job), { algorithms: [job.alg] })).payload);
  },
  async cardEncrypt(job) {
    return card(job).encrypt("/", {}, JSON.parse(job.text)).body.encryptedData;
  },
  async cardDecrypt(job) {
    return JSON.stringify(card(job).decrypt({ request: { url: "/" }, body: { encryptedData: job.text } }));
  },
};

const results = [];
for (const job of JSON.parse(readFileSync(0, "utf8"))) {
  results.push(await ops[job.op](job).catch((error) => `failed: ${error.message}`));
}
console.log(JSON.stringify(results));
