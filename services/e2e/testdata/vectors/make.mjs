// Creates vectors.json: known answers of other tools, in the vocabulary of the vectors of the engine's own tests. Run
// it after `npm ci` in ../interop; it needs Node, openssl, Python 3, a JDK, and GnuPG. Vectors with unchanged cases
// stay unchanged; with --all everything is generated again.
import { readFileSync, writeFileSync } from 'node:fs';
import { make, open } from '../interop/partner.mjs';
import { ciphers } from './cases/ciphers.mjs';
import { derivations } from './cases/derivations.mjs';
import { envelopes } from './cases/envelopes.mjs';
import { joses } from './cases/jose.mjs';
import { inLines } from './cases/lines.mjs';
import { pairedJWE, pairedSignatures, pairs } from './cases/pairs.mjs';
import { refused } from './cases/refused.mjs';
import { refusedPairs } from './cases/refused_pairs.mjs';
import { selections } from './cases/selections.mjs';
import { sessions } from './cases/sessions.mjs';
import { signatures } from './cases/signatures.mjs';

const here = (name) => new URL(name, import.meta.url);

/** The vector with the contents of its secret files. */
function withFiles(v) {
  const secrets = Object.entries(v.secrets).map(([name, s]) => [name, /file$/.test(s.decode) ? { ...s, value: readFileSync(here(s.value), 'utf8') } : s]);
  return { ...v, secrets: Object.fromEntries(secrets) };
}

// `document` is the whole body if an object in it is selected; `maker` contains the private keys of a partner whose
// public keys we have.
async function accepted({ legacy = false, plaintext, document, maker, ...c }) {
  const v = { deterministic: false, direction: 'request', expect: 'accept', requires_allow_legacy: legacy, ...c, plaintext };
  const body = document ?? plaintext;
  const theirs = withFiles({ ...v, secrets: { ...v.secrets, ...maker } });
  const [output, again] = [await make(theirs, body), await make(theirs, body)];
  const opened = await open(withFiles(v), output);
  if (opened !== body && v.profile.select?.value_form !== 'string') throw new Error(`${v.id}: opens as ${opened}`);
  return { ...v, deterministic: JSON.stringify(output) === JSON.stringify(again), output };
}

// The inputs of a vector, which show whether it was already created.
const made = process.argv.includes('--all') ? [] : JSON.parse(readFileSync(here('vectors.json'), 'utf8')).vectors;
const madeBy = Object.fromEntries(made.map((v) => [v.id, v]));
const ingredients = (v) => JSON.stringify([v.tool, v.profile, v.secrets, v.plaintext, v.context, v.why]);
const same = (v) => madeBy[v.id] && ingredients(madeBy[v.id]) === ingredients(v) && madeBy[v.id];

const vectors = [];
const lenient = []; // cases where a partner accepts a message that must be refused; they fail the run
const byID = {};
const cases = [...ciphers, ...derivations, ...sessions, ...envelopes, ...selections, ...joses, ...signatures, ...inLines, ...pairs, ...pairedJWE, ...pairedSignatures];
for (const c of cases) {
  if (byID[c.id]) throw new Error(`${c.id} is there twice`);
  vectors.push((byID[c.id] = same(c) || (await accepted(c).catch((error) => { throw new Error(`${c.id}: ${error.stack}`); }))));
}
for (const { from, change, why, id, ...other } of [...refused, ...refusedPairs]) {
  if (!byID[from]) throw new Error(`there is no ${from}`);
  const v = structuredClone(byID[from]);
  Object.assign(v, { id, why, expect: 'reject', deterministic: false, derived_from: from, direction: 'decrypt' }, other);
  await change(v, { make: (changed, text) => make(withFiles(changed), text) });
  const still = await open(withFiles(v), v.profile.kind === 'sign' && !v.profile.body_template ? { ...v.output, body: v.plaintext } : v.output).then(() => true, () => false);
  if (still && !v.ours_to_refuse) lenient.push(id);
  delete v.ours_to_refuse;
  vectors.push(v);
}
if (lenient.length) throw new Error(`a partner opens ${lenient.join(', ')}`);
const text = vectors.map((v) => `    ${JSON.stringify(v)}`).join(',\n');
writeFileSync(here('vectors.json'), `{\n  "format": 1,\n  "note": "Secrets are throwaway. Made by make.mjs.",\n  "vectors": [\n${text}\n  ]\n}\n`);
process.stdout.write(`${vectors.length} vectors\n`);
process.exit(0);
