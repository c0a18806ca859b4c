// OpenPGP with npm's openpgp, or GnuPG.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as openpgp from 'openpgp';
import { bytesOf } from './cipher.mjs';

const keyText = (v) => v.secrets[v.profile.ref].value;

// GnuPG in its own folder.
function gnupg(v, use) {
  const home = mkdtempSync(join(tmpdir(), 'gnupg-'));
  const gpg = (input, ...args) => execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', '--trust-model', 'always', ...args], { input, stdio: ['pipe', 'pipe', 'pipe'] });
  try {
    gpg(keyText(v), '--import');
    const recipient = /^fpr:+([0-9A-F]+):/m.exec(gpg('', '--with-colons', '--list-keys').toString())[1];
    return use(gpg, recipient);
  } finally {
    try {
      execFileSync('gpgconf', ['--homedir', home, '--kill', 'all'], { stdio: 'ignore' });
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  }
}

export const pgp = {
  async make(v, body) {
    if (/^gpg/.test(v.tool)) return { body: gnupg(v, (gpg, to) => gpg(body, '--encrypt', '--armor', '--recipient', to)).toString() };
    const key = await openpgp.readKey({ armoredKey: keyText(v) });
    return { body: await openpgp.encrypt({ message: await openpgp.createMessage({ binary: Buffer.from(body) }), encryptionKeys: key }) };
  },
  async open(v, { body }) {
    if (/^gpg/.test(v.tool)) return gnupg(v, (gpg) => gpg(body, '--decrypt')).toString();
    let key = await openpgp.readPrivateKey({ armoredKey: keyText(v) });
    const { passphrase } = v.profile;
    if (passphrase) key = await openpgp.decryptKey({ privateKey: key, passphrase: bytesOf(v.secrets[passphrase]).toString() });
    const { data } = await openpgp.decrypt({ message: await openpgp.readMessage({ armoredMessage: body }), decryptionKeys: key, format: 'binary' });
    return Buffer.from(data).toString();
  },
};
