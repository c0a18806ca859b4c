// The partner's side of the interoperability tests: reads jobs, writes their results.
import { readFileSync } from "node:fs";
import * as openpgp from "openpgp";

const ops = {
  // generate creates a key, which is locked if there is a passphrase.
  async generate(job) {
    const key = await openpgp.generateKey({
      type: job.type,
      rsaBits: 2048,
      curve: job.curve || undefined,
      userIDs: [{ name: "Partner", email: "partner@example.test" }],
      passphrase: job.passphrase || undefined,
      date: new Date(Date.now() - 60000),
      config: job.v6 ? { v6Keys: true, aeadProtect: true } : {},
    });
    return key.privateKey;
  },
  async encrypt(job) {
    const key = await unlocked(job);
    return openpgp.encrypt({
      message: await openpgp.createMessage({ text: job.text }),
      encryptionKeys: key.toPublic(),
      signingKeys: job.sign ? key : undefined,
      config: { preferredCompressionAlgorithm: job.compress ? openpgp.enums.compression.zlib : openpgp.enums.compression.uncompressed },
    });
  },
  async decrypt(job) {
    const key = await unlocked(job);
    const message = job.binary
      ? await openpgp.readMessage({ binaryMessage: Buffer.from(job.text, "base64") })
      : await openpgp.readMessage({ armoredMessage: job.text });
    const opened = await openpgp.decrypt({
      message,
      decryptionKeys: key,
      verificationKeys: key.toPublic(),
      expectSigned: job.sign,
    });
    return opened.data;
  },
};

async function unlocked(job) {
  const privateKey = await openpgp.readPrivateKey({ armoredKey: job.key });
  return job.passphrase ? openpgp.decryptKey({ privateKey, passphrase: job.passphrase }) : privateKey;
}

const results = [];
for (const job of JSON.parse(readFileSync(0, "utf8"))) {
  results.push(await ops[job.op](job).catch((error) => `failed: ${error.message}`));
}
console.log(JSON.stringify(results));
