// A partner: answers each line of standard input, a JSON document, with a line of JSON.
//
//   {op: "make", vector, plaintext}   {body, headers}: a message according to the vector's profile
//   {op: "open", vector, message}     {plaintext}: the content of a message; of a signed one the
//                                     body, if the signature is valid
//   {op: "has", vector}               {has}: whether this machine has the vector's tool
//
// An answer {error} describes a failure. A vector is an element of vectors.json whose file secrets
// contain the contents of the files.
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { cipher, rsaDirect } from './cipher.mjs';
import { jwe, jws } from './jose.mjs';
import { libraryOf } from './libraries.mjs';
import { pgp } from './openpgp.mjs';
import { sign } from './signature.mjs';
import { hasTool } from './tools.mjs';

const kinds = { cipher, rsa_direct: rsaDirect, jwe, jws, pgp, sign };
const worker = (v) => libraryOf(v) ?? kinds[v.profile.kind];

export const make = async (v, plaintext) => worker(v).make(v, plaintext);
export const open = async (v, message) => worker(v).open(v, message);

async function answer({ op, vector, plaintext, message }) {
  switch (op) {
    case 'make': return make(vector, plaintext);
    case 'open': return { plaintext: await open(vector, message) };
    case 'has': return { has: hasTool(vector) };
    default: throw new Error(`no operation ${op}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for await (const line of createInterface({ input: process.stdin })) {
    const result = await answer(JSON.parse(line)).catch((error) => ({ error: String(error.stack ?? error) }));
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  process.exit(0); // also ends the programs that it started
}
