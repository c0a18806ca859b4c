// The partner's side of webhooks, which uses the library of Standard Webhooks. Reads a
// list of jobs as JSON from standard input and writes the list of results.
//
//   {op: "sign", secret, id, seconds, body}      the signature
//   {op: "verify", secret, headers, body}        true or the error, at the current time
import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';

const job = {
  sign({ secret, id, seconds, body }) {
    return new Webhook(secret).sign(id, new Date(seconds * 1000), body);
  },
  verify({ secret, headers, body }) {
    try {
      new Webhook(secret).verify(body, headers);
      return 'ok';
    } catch (err) {
      return err.message;
    }
  },
};

const jobs = JSON.parse(readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(jobs.map((j) => job[j.op](j))));
